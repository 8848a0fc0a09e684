//! Codes of rows in quarantine.

use super::{Entry, OF_A_ROW, Seen};
use crate::explained::Code;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Code::AboveMax,
        happened: "A value is above the `max` of its column.",
        why: "The rule is in `schema:`.",
        next_step: "Correct the value in the source, or the rule; then replay the row.",
        example: "is above `max`, 1000",
        ..OF_A_ROW
    },
    Entry {
        code: Code::BelowMin,
        happened: "A value is below the `min` of its column.",
        why: "The rule is in `schema:`.",
        next_step: "Correct the value in the source, or the rule; then replay the row.",
        example: "is below `min`, 0",
        ..OF_A_ROW
    },
    Entry {
        code: Code::CellError,
        happened: "A cell of a spreadsheet holds an error instead of a value.",
        why: "Its formula could not be calculated: `#DIV/0!`, `#N/A`, `#REF!` and others.",
        next_step: "Correct the formula, or write the error in `excel.null_values` to load it as NULL.",
        example: "the cell Sheet1!B812 holds the error #DIV/0!",
        ..OF_A_ROW
    },
    Entry {
        code: Code::CellNotADate,
        happened: "A cell of a spreadsheet has the format of a date, and its number is not a date.",
        why: "The number is below the first or above the last day that Excel knows, or it is 60, which Excel shows as 29 \
            February 1900, a day that did not exist.",
        next_step: "Correct the cell, or give it the format of a number.",
        example: "the cell Sheet1!B812 has the format of a date, and its number is not a date",
        ..OF_A_ROW
    },
    Entry {
        code: Code::CellNotANumber,
        happened: "A cell of a spreadsheet is stored in a way that its type does not allow.",
        why: "The program that wrote the file stored a text as a number, a truth value or a date.",
        next_step: "Correct the cell, or open the file in Excel and save it again.",
        example: "the cell Sheet1!B812 does not hold what its type says",
        ..OF_A_ROW
    },
    Entry {
        code: Code::CellNotCalculated,
        happened: "A cell of a spreadsheet has a formula and no value.",
        why: "A program wrote the formula, and no spreadsheet program has calculated it since.",
        next_step: "Open the file in Excel or LibreOffice and save it; the value is then stored.",
        example: "the formula in the cell Sheet1!B812 was never calculated; open the file in Excel or LibreOffice and save it",
        ..OF_A_ROW
    },
    Entry {
        code: Code::Check,
        happened: "A CHECK constraint of the table, or of a column's domain, refuses the row.",
        why: "The constraint was there before elt, and the row breaks it.",
        next_step: "Correct the row in the source, or change the constraint; then replay the row.",
        example: "breaks the constraint orders_amount_check: CHECK ((amount > 0))",
        ..OF_A_ROW
    },
    Entry {
        code: Code::ControlCharacter,
        happened: "A record of a fixed-width file has a tab, a line end or another control character.",
        why: "A tab makes the places behind it uncertain, a line end inside a record means that `record_length` is wrong, and \
            other control characters are binary numbers or packed decimals.",
        next_step: "Replace tabs by blanks, correct `record_length`, or unpack binary numbers before.",
        example: "character 7 is a tab, so that the places behind it are not certain: replace tabs by the blanks they stand for, \
            with `expand` for example",
        ..OF_A_ROW
    },
    Entry {
        code: Code::DoesNotFit,
        happened: "The column of the table would change the value.",
        why: "The value is longer, more precise or larger than the column's type holds. elt never cuts or rounds.",
        next_step: "Make the column wide enough, or correct the value; then replay the row.",
        example: "has 14 characters; the column holds 10 (character varying(10))",
        ..OF_A_ROW
    },
    Entry {
        code: Code::Encoding,
        happened: "A text has a character that the encoding of the target's database does not have.",
        why: "The database was not created with UTF8.",
        next_step: "Load into a database with the encoding UTF8, or remove such characters from the source.",
        example: "has a character that the database's encoding cannot store",
        ..OF_A_ROW
    },
    Entry {
        code: Code::Exclusion,
        happened: "An exclusion constraint of the table refuses the row.",
        why: "The row conflicts with another one, for example because two periods overlap.",
        next_step: "Correct one of the two rows, then replay the row.",
        example: "conflicts with another row (the constraint bookings_period: EXCLUDE USING gist (period WITH &&))",
        ..OF_A_ROW
    },
    Entry {
        code: Code::ForeignKey,
        happened: "The row refers to a row that does not exist.",
        why: "A foreign key of the table is not fulfilled.",
        next_step: "Load the other table first, then replay the row.",
        example: "has no matching row in customers (the constraint orders_customer_fkey: FOREIGN KEY (customer) \
            REFERENCES customers(id))",
        ..OF_A_ROW
    },
    Entry {
        code: Code::InvalidEncoding,
        happened: "Bytes of a row, or of a header, are not text in the encoding that the file is read with.",
        why: "The file has another encoding than UTF-8, or parts of several.",
        next_step: "Write the file's encoding in the source, `csv: {encoding: windows-1252}` for example.",
        example: "byte 14 is not valid text in the file's encoding; write the right one in csv.encoding",
        seen: &[Seen::Row, Seen::File],
        ..OF_A_ROW
    },
    Entry {
        code: Code::KeyTooLong,
        happened: "The value of a key column is too long for an index.",
        why: "An index entry of PostgreSQL holds at most 2,704 bytes.",
        next_step: "Name shorter columns under `load.key`.",
        example: "has 4012 bytes, which is too long for a key: an index entry holds at most 2704",
        ..OF_A_ROW
    },
    Entry {
        code: Code::LoneSurrogate,
        happened: "A JSON string has half of a surrogate pair.",
        why: "It is written as `\\ud83d` without its second half, which is not a character.",
        next_step: "Correct the program that writes the file.",
        example: "a string holds half a character (a lone surrogate)",
        ..OF_A_ROW
    },
    Entry {
        code: Code::MixedElements,
        happened: "An array of plain values also has an object or an array.",
        why: "The first elements decide how an array is read, and they were plain values.",
        next_step: "Write the rows in one way, or name another array with `records:`.",
        example: "it is an object or array, but the first elements are not",
        ..OF_A_ROW
    },
    Entry {
        code: Code::NoPartition,
        happened: "The row fits no partition of the table.",
        why: "The table is partitioned, and the partition for this value does not exist.",
        next_step: "Create the partition, then replay the row.",
        example: "fits no partition of public.orders: create the partition that holds it",
        ..OF_A_ROW
    },
    Entry {
        code: Code::NotAllowed,
        happened: "A value is not one of those that are allowed.",
        why: "`enum` in `schema:` lists them, or the column has an enum type with other labels.",
        next_step: "Correct the value, or add it to the list; then replay the row.",
        example: "is not one of the values `enum` allows",
        ..OF_A_ROW
    },
    Entry {
        code: Code::NotAnObject,
        happened: "An element among the rows of a JSON file is not an object.",
        why: "A row is an object; this element is a plain value, `null` or an array.",
        next_step: "Correct the file, or name another array with `records:`.",
        example: "it is not a JSON object",
        ..OF_A_ROW
    },
    Entry {
        code: Code::NulByte,
        happened: "A text has a NUL byte, which PostgreSQL cannot keep.",
        why: "The file is damaged, or is UTF-16 without a byte order mark.",
        next_step: "Correct the file, or write `csv: {encoding: utf-16le}` in the source.",
        example: "byte 5 is NUL, which PostgreSQL cannot keep",
        seen: &[Seen::Row, Seen::File],
        ..OF_A_ROW
    },
    Entry {
        code: Code::NullKey,
        happened: "A row has no value in a column of `load.key`.",
        why: "A merge finds rows by their key, so a key cannot be missing.",
        next_step: "Deliver the value, or name other columns under `load.key`.",
        example: "is missing",
        ..OF_A_ROW
    },
    Entry {
        code: Code::NullNotAllowed,
        happened: "A row has no value in a column that needs one.",
        why: "The column is `nullable: false` in `schema:`, or NOT NULL in the table.",
        next_step: "Deliver the value, allow NULL, or give the column a default; then replay the row.",
        example: "is missing",
        ..OF_A_ROW
    },
    Entry {
        code: Code::Pattern,
        happened: "A value does not match the `pattern` of its column.",
        why: "The rule is in `schema:`.",
        next_step: "Correct the value or the rule; then replay the row.",
        example: "does not match `pattern`",
        ..OF_A_ROW
    },
    Entry {
        code: Code::Refused,
        happened: "The table refuses a row, or a request is refused, for a reason without a code of its own.",
        why: "For a row, the sentence has PostgreSQL's own error code (SQLSTATE).",
        next_step: "Look the SQLSTATE up in PostgreSQL's manual, and correct the row or the table.",
        example: "is refused by the table (SQLSTATE 22023)",
        seen: &[Seen::Row, Seen::Api(408)],
        ..OF_A_ROW
    },
    Entry {
        code: Code::RejectedByCheck,
        happened: "A row fails a check of `checks:` that says `on_fail: quarantine`.",
        why: "The check is in the config, and the reason names it.",
        next_step: "Correct the row in the source, or the check; then replay the row.",
        example: "is not what the check range(amount) accepts",
        ..OF_A_ROW
    },
    Entry {
        code: Code::RepeatedMapKey,
        happened: "A map in a Parquet or Arrow file cannot become a JSON object.",
        why: "It has one key twice, or an entry without a key; one of the values would be lost.",
        next_step: "Write such values as a list of structs, or give each entry a key of its own.",
        example: "a map in the column tags has one key twice, or a key without a value",
        ..OF_A_ROW
    },
    Entry {
        code: Code::ShapeFailed,
        happened: "A column of `shape:` cannot be computed for the row.",
        why: "A text is not the number, date or JSON that the expression reads it as, or a result has more than 38 digits.",
        next_step: "Correct the value in the source, or the expression, and run again. A replay cannot load such a row.",
        example: "CAST(price AS INTEGER) fails: the value is not a valid integer",
        ..OF_A_ROW
    },
    Entry {
        code: Code::StrayQuote,
        happened: "A quoted cell goes on after its closing quote.",
        why: "A quote inside a quoted cell is not doubled.",
        next_step: "Double the quotes inside quoted cells, or write another quote character in `csv.quote`.",
        example: "a quoted cell goes on after its closing quote; a quote inside a quoted cell is written twice",
        ..OF_A_ROW
    },
    Entry {
        code: Code::SurplusText,
        happened: "A line of a fixed-width file has text behind the last column.",
        why: "The columns in the config do not reach the end of the line, or the line is shifted.",
        next_step: "Correct the columns, add one for the rest of the line, or write `surplus: ignore` in `fixed_width:`.",
        example: "it has text at character 31, and the last column ends with character 23",
        ..OF_A_ROW
    },
    Entry {
        code: Code::TooDeep,
        happened: "A JSON value is nested deeper than elt reads.",
        why: "Arrays and objects are read up to a fixed depth.",
        next_step: "Flatten the value in the source.",
        example: "it is nested deeper than 100 levels",
        ..OF_A_ROW
    },
    Entry {
        code: Code::TooLong,
        happened: "A value is too long for the row or an index of the table.",
        why: "PostgreSQL limits the size of a row and of an index entry.",
        next_step: "Drop the index on the column, or keep the value out of the table.",
        example: "has 9120 bytes, more than the row or an index entry of the table can hold",
        ..OF_A_ROW
    },
    Entry {
        code: Code::TooManyCells,
        happened: "A row has more cells than the header has columns.",
        why: "A cell that holds the delimiter is not quoted, or the delimiter is another one.",
        next_step: "Quote such cells, name every column in the header, or write the right `csv.delimiter`.",
        example: "it has 5 cells, the header has 4",
        ..OF_A_ROW
    },
    Entry {
        code: Code::Trigger,
        happened: "A trigger of the table refuses the row.",
        why: "The trigger raised an error for it.",
        next_step: "Ask the owner of the trigger what it expects, then replay the row.",
        example: "is refused by a trigger of the table: the period is closed",
        ..OF_A_ROW
    },
    Entry {
        code: Code::Unique,
        happened: "The row is in the table already, by a unique constraint of the table.",
        why: "The constraint was there before elt, and another row has the same values.",
        next_step: "Use `load.mode: merge` with these columns as `load.key`, or drop the constraint.",
        example: "is in the table or in an earlier row already (the constraint orders_number_key: UNIQUE (number))",
        ..OF_A_ROW
    },
    Entry {
        code: Code::WrongType,
        happened: "A value is not of the type of its column.",
        why: "The type is written in `schema:`, or is that of the table's column.",
        next_step: "Correct the value, or declare the column as `text`; then replay the row.",
        example: "is not a valid integer",
        ..OF_A_ROW
    },
];
