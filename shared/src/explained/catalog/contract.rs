//! Codes of the schema contract.

use super::{Entry, IN_A_RUN, Reached};
use crate::explained::Code;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Code::BadRow,
        happened: "A row breaks the contract, and the config says that this fails the run.",
        why: "`on_bad_row: fail` is written. The message names the file, the line and the rule.",
        next_step: "Correct the row, or write `on_bad_row: quarantine` to load the others.",
        example: "orders.csv:812: the value of amount is not a valid numeric",
        ..IN_A_RUN
    },
    Entry {
        code: Code::CheckBroken,
        happened: "A check of `checks:` could not be tried before the commit, so nothing was loaded.",
        why: "It names a column or table that is not there, compares values of different types, takes longer than its \
            `time_limit`, or its `sql` is wrong or tries to change something.",
        next_step: "Correct the check as the message says, then retry the run. The table is as it was.",
        example: "the check range(amuont) could not be tried: public.orders has no column \"amuont\", did you mean \
            \"amount\"?; nothing was loaded into public.orders",
        ..IN_A_RUN
    },
    Entry {
        code: Code::CheckFailed,
        happened: "A check of `checks:` failed before the commit, so nothing was loaded.",
        why: "The rows that the run brought, or the table with them, are not as the check asks for. The rows were never visible: \
            the table is as it was before the run.",
        next_step: "Look at the sample rows in the run's report, correct the source or the check, then retry the run. \
            `on_fail: warn` loads the rows all the same.",
        example: "the check unique(id) failed: 4 rows have the same id as another row (orders.csv:4, orders.csv:9); nothing \
            was loaded into public.orders",
        ..IN_A_RUN
    },
    Entry {
        code: Code::ExtraColumn,
        happened: "A source has a column that the schema does not name.",
        why: "`on_extra_column: fail` is written, or `strict_mode` is on.",
        next_step: "Add the column to `schema:`, or write `on_extra_column: evolve` or `ignore`.",
        example: "the sources have the column discount, which the schema does not name",
        ..IN_A_RUN
    },
    Entry {
        code: Code::MissingColumn,
        happened: "A column of the schema is in no source.",
        why: "Its name is misspelled, or the source no longer delivers it.",
        next_step: "Correct the name in `schema:`, or deliver the column.",
        example: "the schema's column amuont is in no source; they have id, amount",
        ..IN_A_RUN
    },
    Entry {
        code: Code::MissingKey,
        happened: "A column of `load.key` is not loaded.",
        why: "Its name is misspelled, or the schema leaves it out.",
        next_step: "Name columns that the sources have under `load.key`.",
        example: "the key column order_id of load.key is not loaded",
        ..IN_A_RUN
    },
    Entry {
        code: Code::MissingNotNullColumn,
        happened: "The table has a NOT NULL column that no source delivers.",
        why: "The column has no default, so every row would be refused.",
        next_step: "Deliver the column, give it a default, or let it be NULL.",
        example: "the table's column region must not be NULL, but no source has it",
        ..IN_A_RUN
    },
    Entry {
        code: Code::PartitionColumn,
        happened: "The column of `target.partition.by` is not loaded, or has neither dates nor timestamps.",
        why: "Partitions are ranges of time of this column. Its name is misspelled, or some of its values are not dates, so that \
            its type is text.",
        next_step: "Name a column with dates or timestamps, and declare its type under `schema:`, so that rows with other values \
            are rejected.",
        example: "the column sold_at of target.partition.by has the type text; partitions by time need a date or a timestamp",
        ..IN_A_RUN
    },
    Entry {
        code: Code::ReplaceEmpty,
        happened: "The table is not replaced, because the sources have no rows.",
        why: "An empty delivery is more often a mistake than meant. The old rows are still there.",
        next_step: "Check the sources. Empty the table by hand if that is meant.",
        example: "the table is not replaced because the sources have no rows",
        ..IN_A_RUN
    },
    Entry {
        code: Code::ReplaceIncomplete,
        happened: "The table is not replaced, because a part of the input could not be read.",
        why: "A replace takes away what is not delivered. The old rows are still there.",
        next_step: "Correct or remove the files named, then retry the run.",
        example: "the table is not replaced because files could not be read: orders2.csv",
        ..IN_A_RUN
    },
    Entry {
        code: Code::SchemaValue,
        happened: "A rule in `schema:` is not valid for its column.",
        why: "A bound or an allowed value is not of the column's type, or the pattern is not a regular expression.",
        next_step: "Correct the rule at the place named.",
        example: "schema.columns.amount.min: \"ten\" is not a valid numeric",
        ..IN_A_RUN
    },
    Entry {
        code: Code::TooManyPartitions,
        happened: "The rows of one load need more new partitions than a load creates.",
        why: "The range of `target.partition.every` is short for the time that the rows span, or the column has wrong values. A \
            table with thousands of partitions is slow to plan queries for.",
        next_step: "Write a longer range under `target.partition.every`, or reject wrong values with rules (`min`, `max`) under \
            `schema:`.",
        example: "the rows for public.sales need more than 1000 new partitions, because the column sold_at has values of so many \
            different ranges of a day",
        reached: Reached::LetIn,
        ..IN_A_RUN
    },
    Entry {
        code: Code::TooManyRefused,
        happened: "The table refuses too many rows to find each of them.",
        why: "A constraint or trigger of the table refuses most of what is delivered, or different rows at each try.",
        next_step: "Correct the source, or change the column or constraint so that it takes such rows. The first \
            refused row is named.",
        example: "the table refuses 10000 rows or more; the first is orders.csv:2: the value of amount breaks the \
            constraint orders_amount_check",
        ..IN_A_RUN
    },
    Entry {
        code: Code::TooManyRejected,
        happened: "More rows break the contract than `max_rejected` allows.",
        why: "The limit stops a run whose input is wrong as a whole. Nothing was loaded.",
        next_step: "Correct the source or the schema, or raise `max_rejected`.",
        example: "more than 100 rows break the contract",
        ..IN_A_RUN
    },
    Entry {
        code: Code::TypeConflict,
        happened: "The schema gives a column another type than the table has.",
        why: "The table was made with another type, by elt or by somebody else.",
        next_step: "Correct the type in `schema:`, alter the table's column, or load into another table.",
        example: "the schema says amount is bigint, but the table's column amount is text",
        ..IN_A_RUN
    },
];
