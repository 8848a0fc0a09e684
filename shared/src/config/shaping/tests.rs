use super::super::{ConfigError, Document, NoReferences, PipelineConfig, SourceConfig};
use super::*;

fn config(shape: &str) -> String {
    let shape = shape.lines().map(|line| format!("  {line}\n")).collect::<String>();
    format!("sources: [{{type: local, path: ./in}}]\ntarget: {{table: t}}\nshape:\n{shape}")
}

fn read(text: &str) -> Result<PipelineConfig, Vec<String>> {
    match Document::parse(text).and_then(|document| document.pipeline(&NoReferences)) {
        Ok(checked) => Ok(checked.value),
        Err(ConfigError::NotRunnable(problems)) => Err(problems.iter().map(ToString::to_string).collect()),
        Err(error) => Err(vec![error.to_string()]),
    }
}

#[track_caller]
fn shaping(shape: &str) -> Shaping {
    let config = read(&config(shape)).unwrap_or_else(|problems| panic!("{problems:?}"));
    let SourceConfig::Local(source) = &config.sources[0] else { panic!("a local source") };
    (**source.files.shape.as_ref().expect("a shape")).clone()
}

#[track_caller]
fn problem(shape: &str) -> String {
    match read(&config(shape)) {
        Ok(_) => panic!("{shape} was read"),
        Err(problems) => problems.join("\n"),
    }
}

#[test]
fn every_step_is_read() {
    let shape = shaping(
        "rename: {\"Kunden-Nr.\": customer}\n\
         clean: {name: [trim, lower], phone: {replace: {regex: \"[^0-9]\", with: \"\"}}, code: [{split: {by: \"-\", take: 2}}, \
         {null_if: [\"\", n/a]}]}\n\
         columns: {total: \"cast(price as decimal(18, 2)) * quantity\", twice: total * 2}\n\
         where: total > 0 and name <> ''\n\
         mask: {email: hash, iban: last4, phone: redact, note: null}\n\
         mask_secret: ${secret:mask-key}\n\
         select: [customer, name, total]",
    );
    assert_eq!((shape.rename[0].from.as_str(), shape.rename[0].to.as_str()), ("Kunden-Nr.", "customer"));
    let names: Vec<_> = shape.computed.iter().map(|computed| (computed.name.as_str(), computed.cleans)).collect();
    assert_eq!(names, [("name", true), ("phone", true), ("code", true), ("total", false), ("twice", false)]);
    assert_eq!(shape.computed[4].expression.value_type, ValueType::Number);
    let masks: Vec<_> = shape.masks.iter().map(|masked| masked.mask).collect();
    assert_eq!(masks, [Mask::Hash, Mask::LastFour, Mask::Redact, Mask::Null]);
    assert!(shape.mask_secret.is_some() && shape.condition.is_some());
    let Keep::Only(columns) = &shape.keep else { panic!("selected columns") };
    assert_eq!(columns.len(), 3);
}

#[test]
fn a_wrong_expression_is_told_with_its_line_and_column() {
    assert_eq!(
        problem("columns:\n  total: price * uper(name)"),
        "shape.columns.total: there is no function uper here, did you mean upper? at line 5 column 20"
    );
    assert_eq!(
        problem("where: \"price > > 3\""),
        "shape.where: is not an expression: expected an expression, found > at line 4 column 19"
    );
    let block = problem("where: >\n  price = 1\n  and sum(x) > 3");
    assert!(block.contains("sum is not available") && block.contains("column 15 of the text"), "{block}");
}

#[test]
fn what_is_wrong_is_told_at_its_key() {
    for (shape, sentence) in [
        (
            "clean: {name: [trimm]}",
            "shape.clean.name[0]: unknown step \"trimm\", expected trim, lower, upper, replace, split or null_if",
        ),
        ("clean: {name: [{replace: {regx: a}}]}", "unknown option \"regx\", expected regex, text or with"),
        ("clean: {name: [{replace: {regex: \"(\"}}]}", "is not a regular expression"),
        ("clean: {name: [{split: {take: 2}}]}", "expected {by:"),
        ("mask: {email: hide}", "unknown mask \"hide\", expected hash, redact, last4 or null"),
        ("mask: {email: hash}", "the mask `hash` needs a key"),
        ("mask: {email: hash}\nmask_secret: short", "has fewer than 16 characters"),
        ("select: [a]\ndrop: [b]", "write either select or drop"),
        ("select: [a, a]", "the column \"a\" is named already"),
        ("select: []", "expected at least one column"),
        ("rename: {a: x, b: x}", "another column is renamed to \"x\" already"),
        ("rename: {a: _elt_x}", "does not begin with _elt_"),
        ("columns: {_ELT_row: \"1\"}", "does not begin with _elt_"),
        ("where: price", "`price` is text, expected a condition such as price > 0"),
        ("where: \"price > ${env:LIMIT}\"", "a reference cannot stand here"),
        ("columns: {a: \"${secret:x}\"}", "a secret cannot stand here"),
        ("columns: {a: }", "has no value"),
    ] {
        let told = problem(shape);
        assert!(told.contains(sentence), "{shape}: {told}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let told = problem("columns: {a: \"uper(x)\", b: \"a || sum(y)\"}\nwhere: nothing\nmask: {c: hide}");
    assert_eq!(told.lines().count(), 4, "{told}");
}

#[test]
fn a_shape_of_a_source_replaces_the_one_at_the_top() {
    let text = "sources:\n  - {type: local, path: ./a}\n  - {type: local, path: ./b, shape: {drop: [own]}}\n\
                \x20 - {type: api, url: 'http://h/x'}\ntarget: {table: t}\nshape: {drop: [shared]}\n";
    let config = read(text).unwrap();
    let dropped = config.sources.iter().map(|source| {
        let shape = match source {
            SourceConfig::Local(source) => &source.files.shape,
            SourceConfig::Api(source) => &source.shape,
            other => panic!("{}", other.kind()),
        };
        let Keep::Without(names) = &shape.as_ref().expect("a shape").keep else { panic!("dropped columns") };
        names[0].name.clone()
    });
    assert_eq!(dropped.collect::<Vec<_>>(), ["shared", "own", "shared"]);
}

#[test]
fn the_key_of_masks_is_hidden_and_columns_with_secret_names_are_not() {
    let text =
        config("columns: {token: lower(access_token)}\nmask: {password: redact}\nmask_secret: correct-horse-battery");
    let shown = Document::parse(&text).unwrap().masked();
    assert!(!shown.contains("correct-horse-battery"), "{shown}");
    assert!(shown.contains("token: lower(access_token)") && shown.contains("password: redact"), "{shown}");
    let debug = format!("{:?}", shaping("mask: {a: hash}\nmask_secret: correct-horse-battery"));
    assert!(!debug.contains("correct-horse-battery"), "{debug}");
}
