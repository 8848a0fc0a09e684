//! Columns of files are matched to columns of the contract by their names: exactly first, then in any case, each at most once.

/// A column that a load wants from a file.
#[derive(Debug, Clone, Copy)]
pub struct WantedColumn<'a> {
    /// Name of the column.
    pub name: &'a str,
    /// Whether the name may be in another case, as for a column of the contract. Any other column takes only its exact name.
    pub any_case: bool,
}

/// For each wanted column, the index of the file's column that it gets. A file's column goes to at most one of them.
pub fn assign(wanted: &[WantedColumn<'_>], names: &[String]) -> Vec<Option<usize>> {
    let mut taken = vec![false; names.len()];
    let mut places = vec![None; wanted.len()];
    let mut take = |places: &mut Vec<Option<usize>>, index: usize, fits: &dyn Fn(&str) -> bool| {
        if places[index].is_none()
            && let Some(place) = (0..names.len()).find(|&place| !taken[place] && fits(&names[place]))
        {
            taken[place] = true;
            places[index] = Some(place);
        }
    };
    for (index, column) in wanted.iter().enumerate().filter(|(_, column)| column.any_case) {
        take(&mut places, index, &|name| name == column.name);
    }
    for (index, column) in wanted.iter().enumerate().filter(|(_, column)| column.any_case) {
        let lower = column.name.to_lowercase();
        take(&mut places, index, &|name| name.to_lowercase() == lower);
    }
    for (index, column) in wanted.iter().enumerate().filter(|(_, column)| !column.any_case) {
        take(&mut places, index, &|name| name == column.name);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assigned(contract: &[&str], extra: &[&str], names: &[&str]) -> Vec<Option<usize>> {
        let contract = contract.iter().map(|name| WantedColumn { name, any_case: true });
        let extra = extra.iter().map(|name| WantedColumn { name, any_case: false });
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        assign(&contract.chain(extra).collect::<Vec<_>>(), &names)
    }

    #[test]
    fn a_contract_s_column_is_found_in_any_case() {
        assert_eq!(assigned(&["id", "Name"], &[], &["NAME", "ID"]), [Some(1), Some(0)]);
    }

    #[test]
    fn an_exact_name_wins_and_the_other_case_stays_apart() {
        assert_eq!(assigned(&["id"], &["ID"], &["ID", "id"]), [Some(1), Some(0)]);
        assert_eq!(assigned(&["id"], &["ID"], &["ID"]), [Some(0), None]);
        assert_eq!(assigned(&["id", "ID"], &[], &["ID"]), [None, Some(0)]);
    }

    #[test]
    fn other_columns_take_only_their_own_name() {
        assert_eq!(assigned(&[], &["a", "A"], &["A"]), [None, Some(0)]);
    }
}
