//! The number of different values, estimated from their hashes in 4 KiB: HyperLogLog with the estimator of Ertl (2017).

/// Bits of a hash that choose a register.
const BITS: u32 = 12;
/// Number of registers. The standard error of the estimate is 1.04 / √4096, which is 1.6 %.
const REGISTERS: usize = 1 << BITS;
/// Largest value of a register.
const MOST: usize = (u64::BITS - BITS + 1) as usize;

/// The hashes of values that were seen, as far as their number can be estimated.
pub struct Distinct {
    /// For each register, one more than the most leading zeros of a hash.
    registers: Box<[u8; REGISTERS]>,
}

impl Distinct {
    /// Nothing was seen.
    pub fn new() -> Self {
        Self { registers: Box::new([0; REGISTERS]) }
    }

    /// Notes a value by its hash.
    #[inline]
    pub fn add(&mut self, hash: u64) {
        let register = (hash >> (u64::BITS - BITS)) as usize;
        // The bit below the hash ends the search where all bits of the rest are zero.
        let rest = (hash << BITS) | (1 << (BITS - 1));
        let zeros = rest.leading_zeros() as u8 + 1;
        let known = &mut self.registers[register % REGISTERS];
        if zeros > *known {
            *known = zeros;
        }
    }

    /// The estimated number of different hashes.
    pub fn estimate(&self) -> u64 {
        let mut counts = [0.0_f64; MOST + 1];
        for register in self.registers.iter() {
            counts[usize::from(*register).min(MOST)] += 1.0;
        }
        let registers = REGISTERS as f64;
        let mut sum = registers * tau(1.0 - counts[MOST] / registers);
        for count in counts[1..MOST].iter().rev() {
            sum = 0.5 * (sum + count);
        }
        sum += registers * sigma(counts[0] / registers);
        (registers * registers / (2.0 * std::f64::consts::LN_2 * sum)).round() as u64
    }
}

/// The part of the estimate that registers without a value have.
fn sigma(mut empty: f64) -> f64 {
    if empty >= 1.0 {
        return f64::INFINITY;
    }
    let (mut weight, mut sum) = (1.0, empty);
    loop {
        empty *= empty;
        let before = sum;
        sum += empty * weight;
        weight += weight;
        if sum <= before {
            return sum;
        }
    }
}

/// The part of the estimate that full registers have.
fn tau(mut full: f64) -> f64 {
    if full <= 0.0 || full >= 1.0 {
        return 0.0;
    }
    let (mut weight, mut sum) = (1.0, 1.0 - full);
    loop {
        full = full.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - full).powi(2) * weight;
        if sum >= before {
            return sum / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::hash;
    use super::*;

    #[test]
    fn estimates_are_near_whatever_the_number_is() {
        assert_eq!(Distinct::new().estimate(), 0);
        for count in [1_u64, 100, 5_000, 20_000, 300_000] {
            let mut distinct = Distinct::new();
            for value in 0..count {
                distinct.add(hash::of_number(value as i64));
                distinct.add(hash::of_number(value as i64));
            }
            let off = (distinct.estimate() as f64 - count as f64).abs() / count as f64;
            assert!(off < 0.05, "{count} estimated as {}", distinct.estimate());
        }
    }
}
