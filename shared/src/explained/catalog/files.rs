//! Codes of files that cannot be read to their end.

use super::{Entry, OF_A_FILE, Seen};
use crate::explained::Code;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        code: Code::ArchiveBroken,
        happened: "An archive, or a file inside it, cannot be unpacked.",
        why: "It is damaged, was cut off, or is something else than its suffix says.",
        next_step: "Copy the file again. If that does not help, ask its sender to pack it again.",
        example: "orders.zip: it cannot be unpacked: its directory is missing or damaged, as if it was cut off, or it is not \
            a zip archive",
        seen: &[Seen::Run],
        ..OF_A_FILE
    },
    Entry {
        code: Code::ArchiveEmpty,
        happened: "An archive that the config names holds nothing that can be loaded.",
        why: "It is empty, `archive.include` matches none of its files, or they have other suffixes than those elt reads.",
        next_step: "Check `archive.include` of the source, and what was packed.",
        example: "orders.zip: it holds no file that is loaded; the first one that is left out is readme.pdf",
        seen: &[Seen::Run],
        ..OF_A_FILE
    },
    Entry {
        code: Code::ArchiveEncrypted,
        happened: "A file in an archive is encrypted and cannot be opened.",
        why: "The source has no password, or another one than the file was encrypted with.",
        next_step: "Write `archive: {password: \"${secret:NAME}\"}` in the source.",
        example: "orders.zip!2026.csv: it is encrypted, and the source has no password",
        seen: &[Seen::Run],
        ..OF_A_FILE
    },
    Entry {
        code: Code::ArchiveName,
        happened: "A file in an archive has a name that leads out of the archive.",
        why: "An absolute path, a `..` or a NUL byte in a name is how archives that are made to harm overwrite files.",
        next_step: "Find out who made the archive. To load the file, pack it again with a name below the archive.",
        example: "orders.zip!../../etc/passwd.csv: its name leads out of the archive by `..`, as in an archive that is made \
            to harm",
        seen: &[Seen::Run],
        ..OF_A_FILE
    },
    Entry {
        code: Code::ArchiveTooLarge,
        happened: "More comes out of an archive or encrypted file than elt unpacks.",
        why: "It is a zip bomb, or larger than the limits `ELT_UNPACK_ENTRIES`, `ELT_UNPACK_GIB` and `ELT_UNPACK_RATIO`.",
        next_step: "Find out whether the file is what it should be. If it is, unpack it by hand, split it, or let the \
            operator of the workers raise the setting that the message names.",
        example: "orders.zip: its 42.4 KiB unpack to more than 105.4 MiB, over 1000 bytes for each one, as in a zip bomb",
        seen: &[Seen::Run],
        ..OF_A_FILE
    },
    Entry {
        code: Code::BadRecordsPath,
        happened: "The path in `records:` cannot be used for a file.",
        why: "It is not a path to an array or object, or it leads to something else.",
        next_step: "Write the members that lead to the rows, `records: data.items` for example, or `records: $` for \
            the whole document.",
        example: "orders.json: there is a number at $.count",
        ..OF_A_FILE
    },
    Entry {
        code: Code::BrokenCompression,
        happened: "A compressed file cannot be decompressed.",
        why: "Its suffix names another format than its content has, or it is damaged.",
        next_step: "Check that the file is what its suffix says, and copy it again if it was damaged.",
        example: "orders.csv.gz: it cannot be decompressed: invalid gzip header",
        ..OF_A_FILE
    },
    Entry {
        code: Code::BrokenJson,
        happened: "A JSON document or record is not valid.",
        why: "A comma, quote or bracket is missing, or there is something that JSON does not have.",
        next_step: "Correct the file; it is read again when it changes.",
        example: "orders.json:14: it is not JSON at column 9: a comma or ] is missing",
        seen: &[Seen::File, Seen::Row],
        ..OF_A_FILE
    },
    Entry {
        code: Code::BrokenWorkbook,
        happened: "A workbook cannot be read.",
        why: "It was cut off or damaged, or a program wrote it in a way that Excel itself would have to repair.",
        next_step: "Open it in Excel or LibreOffice and save it again, or copy it again.",
        example: "orders.xlsx!Sheet1:812: the cell C812 refers to a text that the workbook does not have",
        ..OF_A_FILE
    },
    Entry {
        code: Code::BrokenXml,
        happened: "An XML document is not well-formed.",
        why: "A tag is not closed, a character such as `&` or `<` stands in a text without being escaped, or the file is not XML.",
        next_step: "Correct the file; it is read again when it changes.",
        example: "orders.xml:14: `</order>` does not close `<item>`, which is open here",
        ..OF_A_FILE
    },
    Entry {
        code: Code::ColumnarDamaged,
        happened: "A Parquet or Arrow file is damaged.",
        why: "Its suffix names another format than its content has, or bytes of it were lost or changed.",
        next_step: "Write or copy the file again; it is read again when it changes.",
        example: "orders.parquet: the column price: the page at byte 4096 differs from its checksum",
        ..OF_A_FILE
    },
    Entry {
        code: Code::ColumnarEncrypted,
        happened: "A Parquet file is encrypted.",
        why: "It was written with Parquet's own encryption, for which elt takes no keys.",
        next_step: "Write the file without Parquet's encryption. To keep it secret, encrypt it as a whole with PGP.",
        example: "orders.parquet: the Parquet file, or a column of it, is encrypted",
        ..OF_A_FILE
    },
    Entry {
        code: Code::ColumnarUnsupported,
        happened: "A Parquet or Arrow file has something that elt does not read.",
        why: "It was written with a rare encoding or type, or with pages or record batches that need too much memory.",
        next_step: "Write the file with the usual settings of its program, or in another format such as CSV.",
        example: "orders.feather: it is a Feather file of version 1",
        ..OF_A_FILE
    },
    Entry {
        code: Code::HeaderNotFirst,
        happened: "A table begins below lines that are not its header.",
        why: "There is a title or a note above the header, which must not become the columns' names.",
        next_step: "Write `csv: {skip_rows: N}`, or `excel: {header: N}` for a workbook, in the source with the number that \
            the message proposes, or remove these lines.",
        example: "orders.csv:1: this first line does not look like the header: it has 1 cell, and line 3 looks like \
            the header of 4 columns",
        seen: &[Seen::File, Seen::Run],
        ..OF_A_FILE
    },
    Entry {
        code: Code::NoSheet,
        happened: "A workbook does not have the sheet that is to be read.",
        why: "No sheet, or more than one, has the name, place or pattern in `excel.sheet`; or no visible sheet has any cells.",
        next_step: "Write one of the names that the message lists in `excel: {sheet: NAME}`, or several in `sheets:`.",
        example: "orders.xlsx: no sheet of it is called \"Order\"; it has \"Orders\" and \"Customers\"",
        ..OF_A_FILE
    },
    Entry {
        code: Code::NotAWorkbook,
        happened: "A file with the suffix of a workbook is something else.",
        why: "Programs often write CSV or a web page and name it `.xls`, because Excel opens that too.",
        next_step: "Rename it to what it is (`.csv` for text), or save it as a workbook.",
        example: "orders.xls: it is not a workbook but text, such as CSV",
        ..OF_A_FILE
    },
    Entry {
        code: Code::NotRows,
        happened: "A JSON file holds no rows.",
        why: "It is neither an array of objects, nor an object, nor one object a line.",
        next_step: "Write `records:` with the path of the array that holds the rows.",
        example: "orders.json: its rows could not be found: it is neither an array of objects nor an object nor NDJSON",
        ..OF_A_FILE
    },
    Entry {
        code: Code::PgpBroken,
        happened: "A file cannot be decrypted.",
        why: "It was damaged, cut off or changed on its way, which the integrity check of OpenPGP finds, or it is something \
            else than its suffix says. A file that asks for hours of work or gigabytes of memory before it opens is refused \
            as well, because such files are made to harm.",
        next_step: "Copy the file again. If that does not help, ask its sender to encrypt it again.",
        example: "orders.csv.pgp: it cannot be decrypted: it was damaged, cut off or changed on its way, or it is not a file \
            of OpenPGP",
        seen: &[Seen::Run],
        ..OF_A_FILE
    },
    Entry {
        code: Code::PgpKey,
        happened: "The key or passphrase of a source does not open an encrypted file.",
        why: "The key is missing, damaged, locked with another passphrase, or not the one that the file is encrypted for.",
        next_step: "Write the right `pgp: {private_key: …, passphrase: …}` in the source.",
        example: "orders.csv.pgp: it is encrypted for the key 6E3F1C2A9B8D7C55, and the private key of the source is another \
            one",
        seen: &[Seen::Run],
        ..OF_A_FILE
    },
    Entry {
        code: Code::PgpSignature,
        happened: "An encrypted file is not signed by its sender.",
        why: "`pgp.verify_key` asks for a signature by that key, and the file has none or an invalid one.",
        next_step: "Find out who sent the file, and whether their key has changed.",
        example: "orders.csv.pgp: it is not signed, and `pgp.verify_key` asks for a signature",
        seen: &[Seen::Run],
        ..OF_A_FILE
    },
    Entry {
        code: Code::PgpUnprotected,
        happened: "A file is not encrypted in a way that protects it.",
        why: "It is only signed or compressed, or it is encrypted without the integrity check that every program has had for \
            twenty years.",
        next_step: "Let the sender encrypt it with your public key by a current program.",
        example: "orders.csv.pgp: it is in the format of OpenPGP, but not encrypted",
        seen: &[Seen::Run],
        ..OF_A_FILE
    },
    Entry {
        code: Code::RecordTooLarge,
        happened: "One record of a file is larger than elt reads.",
        why: "Usually a quote or bracket is never closed, so that the rest of the file looks like one record.",
        next_step: "Look for it at the line named, or load such values by another way.",
        example: "orders.csv:812: a record is larger than 64 MiB",
        ..OF_A_FILE
    },
    Entry {
        code: Code::ReservedName,
        happened: "A column has a name that elt or PostgreSQL keeps for itself.",
        why: "Names that begin with `_elt_`, and those of PostgreSQL's system columns, cannot be loaded.",
        next_step: "Rename or drop the column in the file.",
        example: "orders.csv:1: its column \"_elt_run_id\" has a name that is reserved: names that start with _elt_ \
            are elt's own",
        ..OF_A_FILE
    },
    Entry {
        code: Code::RowsAmbiguous,
        happened: "It is not certain where the rows of a JSON object are.",
        why: "Several of its members could hold them, or the only one is empty; elt never guesses.",
        next_step: "Write `records:` for this source as the message says.",
        example: "orders.json: its rows may be in \"rows\" (empty), or the object may be the row: write `records: \
            rows` or `records: $`",
        ..OF_A_FILE
    },
    Entry {
        code: Code::ShapeColumns,
        happened: "A file does not have a column that `shape:` names.",
        why: "The name is misspelled, the file has other columns than the others of its source, or two columns would have one name.",
        next_step: "Correct the name in the config, or give the source of such files a `shape` of its own.",
        example: "orders.csv: shape.columns.total (line 12 column 12 of the config) names the column \"prise\", which is not \
            there (did you mean \"price\"?)",
        seen: &[Seen::File, Seen::Run],
        ..OF_A_FILE
    },
    Entry {
        code: Code::TooManyColumns,
        happened: "The table would have more columns than PostgreSQL allows.",
        why: "A file has more than 1,597 columns, often because the delimiter or the header is wrong, or because wide \
            data was not made long.",
        next_step: "Name the columns you need in `schema:` with `strict_mode: true`, or check `csv.delimiter`.",
        example: "the table would have 2000 columns; PostgreSQL allows 1597 beside elt's own three",
        seen: &[Seen::File, Seen::Run],
        ..OF_A_FILE
    },
    Entry {
        code: Code::Truncated,
        happened: "A file ends in the middle.",
        why: "It was copied incompletely, or it is empty where JSON is expected.",
        next_step: "Copy the file again; it is read again when it changes.",
        example: "orders.json:912: it is not JSON at column 3: the file ends inside an object",
        ..OF_A_FILE
    },
    Entry {
        code: Code::UnclosedQuote,
        happened: "A quoted cell is never closed before the file ends.",
        why: "A quote is missing, or the file was cut off.",
        next_step: "Close the quote at the line named, or copy the file again.",
        example: "orders.csv:44: a quoted cell opens here and never closes before the file ends",
        ..OF_A_FILE
    },
    Entry {
        code: Code::UnknownEncoding,
        happened: "The encoding in the config is not one that elt knows.",
        why: "The name in `csv.encoding` is misspelled.",
        next_step: "Write a name such as `utf-8`, `utf-16le`, `windows-1252` or `iso-8859-15`.",
        example: "orders.csv: the encoding \"latin\" is not known",
        ..OF_A_FILE
    },
    Entry {
        code: Code::UnknownSeparator,
        happened: "The `sep=` line of a file names a separator that cannot be used.",
        why: "A separator is one ASCII character that is neither a letter nor a digit.",
        next_step: "Replace it in the file and in its `sep=` line.",
        example: "orders.csv:1: this sep= line names a separator that cannot be used",
        ..OF_A_FILE
    },
    Entry {
        code: Code::Unreadable,
        happened: "The system could not read a file to its end.",
        why: "The permission was taken away while the file was read, or the disk has a fault.",
        next_step: "Check the file's permissions and the disk.",
        example: "orders.csv: permission denied",
        ..OF_A_FILE
    },
    Entry {
        code: Code::WorkbookEncrypted,
        happened: "A workbook is encrypted.",
        why: "It was saved with a password to open it.",
        next_step: "Save it without a password, or ask the sender for such a copy.",
        example: "orders.xlsx: it is encrypted with a password",
        ..OF_A_FILE
    },
    Entry {
        code: Code::WorkbookTooLarge,
        happened: "A workbook, or a part of it, is larger than elt reads.",
        why: "Only `.xlsx` and `.ods` are read in parts; `.xls` and `.xlsb` are held in memory. Or the file was made to fill \
            the memory of its reader.",
        next_step: "Save it as `.xlsx`, or split it.",
        example: "orders.xls: it has 90 MiB, and an .xls of more than 64 MiB is not read",
        ..OF_A_FILE
    },
    Entry {
        code: Code::XmlDoctype,
        happened: "An XML document declares a document type.",
        why: "Entities that a document type declares can read other files or fill the memory, so elt reads no document that \
            has one.",
        next_step: "Remove `<!DOCTYPE …>` from the file, and write characters in place of the entities that it declares.",
        example: "orders.xml:2: it declares a document type (`<!DOCTYPE`), which is not read because entities in it could \
            read other files or fill the memory",
        ..OF_A_FILE
    },
    Entry {
        code: Code::XmlNames,
        happened: "Two names in an XML document would be one column.",
        why: "An attribute and an element have the same name, or two elements differ only in their namespace prefix.",
        next_step: "Write `attribute_prefix: _` or `prefixes: keep` in `xml:`, as the message says.",
        example: "orders.xml:9: the attribute `id` and the element `id` would be one column \"id\"",
        ..OF_A_FILE
    },
];
