//! What monitoring an API costs: a look is one request at most.
