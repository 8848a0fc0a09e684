//! The types that the first pass over the files tests the columns for.

use elt_shared::config::{ColumnContract, ColumnType, PipelineConfig};

use super::existing_columns::{ExistingColumn, ExistingTable};
use super::name_matching::{WantedColumn, assign};
use super::type_order;
use crate::frame::column_names::shortened;
use crate::frame::profile::Expectation;

/// The types that the first pass tests columns for: those of the schema and the table, and those that they may widen to. A
/// type of the table that elt inferred is left out, because its values are judged as inference does.
pub fn expectations(config: &PipelineConfig, known: Option<&ExistingTable>) -> Vec<Expectation> {
    let mut all: Vec<Expectation> = Vec::new();
    for (name, contract, column) in contract_columns(config, known) {
        let mut types = type_order::path(contract.column_type);
        let declared = column.map(ExistingColumn::typing).filter(|typing| typing.declared);
        let table_s = declared.and_then(|typing| typing.sql_type.known()).map_or_else(Vec::new, type_order::path);
        types.extend(table_s.into_iter().filter(|table_s| !type_order::path(contract.column_type).contains(table_s)));
        all.push(Expectation { column: name, types, format: contract.format.clone() });
    }
    for column in known.iter().flat_map(|known| &known.columns) {
        let typing = column.typing();
        let named = all.iter().any(|other| other.column.to_lowercase() == column.table.name.to_lowercase());
        let Some(current) = typing.sql_type.known() else { continue };
        // Inference tests no cell for these types, which only the declaration of a file leads to.
        let is_untested = matches!(current, ColumnType::Time | ColumnType::Uuid | ColumnType::Real);
        if (typing.declared || is_untested) && !named {
            let types = type_order::path(current);
            all.push(Expectation { column: column.table.name.clone(), types, format: typing.format.clone() });
        }
    }
    all
}

/// The schema's columns, each with the name it has in the table and the table's column, which goes to one of them only:
/// the one of exactly its name, else the first in any case.
pub(super) fn contract_columns<'a>(
    config: &'a PipelineConfig,
    known: Option<&'a ExistingTable>,
) -> Vec<(String, &'a ColumnContract, Option<&'a ExistingColumn>)> {
    let contracts: Vec<_> = config.schema.iter().flat_map(|schema| &schema.columns).collect();
    let columns: Vec<_> = known.iter().flat_map(|known| &known.columns).collect();
    let names: Vec<_> = contracts.iter().map(|contract| shortened(&contract.name)).collect();
    let wanted: Vec<_> = names.iter().map(|name| WantedColumn { name, any_case: true }).collect();
    let there: Vec<_> = columns.iter().map(|column| column.table.name.clone()).collect();
    let places = assign(&wanted, &there);
    let found = names.iter().zip(contracts).zip(places).map(|((name, contract), place)| {
        let column = place.map(|place| columns[place]);
        (column.map_or_else(|| name.clone(), |column| column.table.name.clone()), contract, column)
    });
    found.collect()
}
