//! Pages of runs, newest first.
//!
//! A page reads about as many runs as it shows, however many others there are. An index on `(columns, id desc)` has the
//! runs of each combination of values in the order of the page, so a page takes the newest runs of each combination that
//! the filter allows, and then the newest of these.

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, Postgres, QueryBuilder};
use uuid::Uuid;

use super::{COLUMNS, Run};
use crate::runs::{Outcome, RunKind, RunState};

/// Which runs to list; an empty filter lists all.
#[derive(Debug, Clone, Default)]
pub struct RunFilter<'a> {
    /// Only in one of these states; an empty list means no run at all.
    pub states: Option<&'a [RunState]>,
    /// Only runs that succeeded with this outcome.
    pub outcome: Option<Outcome>,
    /// Only of this pipeline.
    pub name: Option<&'a str>,
    /// Only of one of these kinds; an empty list means no run at all.
    pub kinds: Option<&'a [RunKind]>,
    /// Only of this config version.
    pub config_id: Option<i64>,
    /// Only of this schedule.
    pub schedule_id: Option<Uuid>,
    /// Only retries, replays and undos of this run.
    pub parent_id: Option<Uuid>,
    /// Only replays and undos of this run.
    pub subject_id: Option<Uuid>,
    /// Only of these pipelines.
    pub names: Option<&'a [String]>,
    /// Only requested at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Only requested before this time.
    pub until: Option<DateTime<Utc>>,
}

/// A column of the index that a page is read from, with the values that the filter allows, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Dimension<'a> {
    Name(Vec<&'a str>),
    Kind(Vec<RunKind>),
    State(Vec<RunState>),
    Outcome(Outcome),
    Config(i64),
    Schedule(Uuid),
}

impl Dimension<'_> {
    fn column(&self) -> &'static str {
        match self {
            Self::Name(_) => "name",
            Self::Kind(_) => "kind",
            Self::State(_) => "state",
            Self::Outcome(_) => "outcome",
            Self::Config(_) => "config_id",
            Self::Schedule(_) => "schedule_id",
        }
    }
}

impl<'a> RunFilter<'a> {
    /// Whether its conditions contradict each other, so that no run matches.
    fn is_contradiction(&self) -> bool {
        self.allowed_states().is_empty()
            || self.kinds.is_some_and(<[_]>::is_empty)
            || self.allowed_names().is_some_and(|names| names.is_empty())
    }

    /// The columns of the index that finds the runs, in its order. Empty when the primary key or an index on the run they
    /// came from does.
    fn dimensions(&self) -> Vec<Dimension<'a>> {
        // Few runs come from one run.
        if self.parent_id.is_some() || self.subject_id.is_some() {
            return Vec::new();
        }
        let states = self.allowed_states();
        if let Some(schedule) = self.schedule_id {
            let refined = self.states.is_some() || self.outcome.is_some();
            let state = refined.then_some(Dimension::State(states));
            return [Dimension::Schedule(schedule)].into_iter().chain(state).collect();
        }
        if let Some(config) = self.config_id {
            return vec![Dimension::Config(config)];
        }
        let kind = Dimension::Kind(allowed(RunKind::ALL, self.kinds));
        let mut dimensions: Vec<_> = self.allowed_names().map(Dimension::Name).into_iter().collect();
        if let Some(outcome) = self.outcome {
            dimensions.extend([Dimension::Outcome(outcome), kind]);
        } else if self.kinds.is_some() || (self.states.is_some() && !dimensions.is_empty()) {
            dimensions.extend([Dimension::State(states), kind]);
        } else if self.states.is_some() {
            dimensions.push(Dimension::State(states));
        }
        dimensions
    }

    /// `None` when every pipeline is allowed.
    fn allowed_names(&self) -> Option<Vec<&'a str>> {
        let mut names: Vec<&str> = match (self.name, self.names) {
            (None, None) => return None,
            (Some(name), None) => vec![name],
            (Some(name), Some(names)) => names.iter().any(|other| other == name).then_some(name).into_iter().collect(),
            (None, Some(names)) => names.iter().map(String::as_str).collect(),
        };
        names.sort_unstable();
        names.dedup();
        Some(names)
    }

    /// Only runs that succeeded have an outcome.
    fn allowed_states(&self) -> Vec<RunState> {
        let mut states = allowed(RunState::ALL, self.states);
        states.retain(|state| self.outcome.is_none() || *state == RunState::Succeeded);
        states
    }

    /// Adds the conditions on columns that are not among the `dimensions`, as ` and …`.
    fn push(&self, query: &mut QueryBuilder<Postgres>, dimensions: &[Dimension<'_>], before: Option<Uuid>) {
        let is_left = |column| dimensions.iter().all(|dimension| dimension.column() != column);
        if let Some(states) = self.states.filter(|_| is_left("state")) {
            query.push(" and state = any(").push_bind(states).push(")");
        }
        if let Some(outcome) = self.outcome.filter(|_| is_left("outcome")) {
            query.push(" and outcome = ").push_bind(outcome);
        }
        if let Some(name) = self.name.filter(|_| is_left("name")) {
            query.push(" and name = ").push_bind(name);
        }
        if let Some(kinds) = self.kinds.filter(|_| is_left("kind")) {
            query.push(" and kind = any(").push_bind(kinds).push(")");
        }
        if let Some(config_id) = self.config_id.filter(|_| is_left("config_id")) {
            query.push(" and config_id = ").push_bind(config_id);
        }
        if let Some(schedule_id) = self.schedule_id.filter(|_| is_left("schedule_id")) {
            query.push(" and schedule_id = ").push_bind(schedule_id);
        }
        if let Some(parent_id) = self.parent_id {
            query.push(" and parent_id = ").push_bind(parent_id);
        }
        if let Some(subject_id) = self.subject_id {
            query.push(" and subject_id = ").push_bind(subject_id);
        }
        if let Some(names) = self.names.filter(|_| is_left("name")) {
            query.push(" and name = any(").push_bind(names).push(")");
        }
        if let Some(since) = self.since {
            query.push(" and id >= ").push_bind(first_id(since));
        }
        let until = self.until.map(first_id);
        if let Some(before) = [before, until].into_iter().flatten().min() {
            query.push(" and id < ").push_bind(before);
        }
    }
}

/// The least id that a run can have which is requested at this time. Ids are UUIDv7, whose first 48 bits are the
/// milliseconds since 1970, so the indexes on ids find the runs of a time.
fn first_id(at: DateTime<Utc>) -> Uuid {
    const MOST: u64 = (1 << 48) - 1;
    let milliseconds = u64::try_from(at.timestamp_millis()).unwrap_or_default().min(MOST);
    Uuid::from_u128(u128::from(milliseconds) << 80)
}

/// The values of all that the list has, each once; all of them without a list.
fn allowed<T: Copy + PartialEq>(all: &[T], list: Option<&[T]>) -> Vec<T> {
    all.iter().copied().filter(|value| list.is_none_or(|list| list.contains(value))).collect()
}

/// Runs, newest first; those older than `before` when given.
pub async fn list(
    db: impl PgExecutor<'_>,
    filter: &RunFilter<'_>,
    before: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<Run>> {
    if filter.is_contradiction() {
        return Ok(Vec::new());
    }
    let dimensions = filter.dimensions();
    let mut query = QueryBuilder::new(format!("select {COLUMNS} from runs where true"));
    if dimensions.is_empty() {
        filter.push(&mut query, &dimensions, before);
    } else {
        query.push(" and id = any(array(");
        push_newest(&mut query, &dimensions, filter, before, limit);
        query.push("))");
    }
    query.push(" order by id desc limit ").push_bind(limit);
    query.build_query_as().fetch_all(db).await
}

/// Adds a query for the ids of the newest runs of all combinations of values.
///
/// It compares the last column with a range of one value and sorts by it. An equality would allow the planner to walk the
/// primary key, where it would pass the whole history if no run matches.
fn push_newest(
    query: &mut QueryBuilder<Postgres>,
    dimensions: &[Dimension<'_>],
    filter: &RunFilter<'_>,
    before: Option<Uuid>,
    limit: i64,
) {
    query.push("select newest.id from ");
    for dimension in dimensions {
        query.push("unnest(");
        match dimension {
            Dimension::Name(names) => query.push_bind(names),
            Dimension::Kind(kinds) => query.push_bind(kinds),
            Dimension::State(states) => query.push_bind(states),
            Dimension::Outcome(outcome) => query.push_bind(vec![*outcome]),
            Dimension::Config(config) => query.push_bind(vec![*config]),
            Dimension::Schedule(schedule) => query.push_bind(vec![*schedule]),
        };
        query.push(format!(") wanted_{} cross join ", dimension.column()));
    }
    query.push("lateral (select id from runs where true");
    let Some((last, leading)) = dimensions.split_last() else { return };
    for column in leading.iter().map(Dimension::column) {
        query.push(format!(" and {column} = wanted_{column}"));
    }
    let column = last.column();
    query.push(format!(" and {column} >= wanted_{column} and {column} <= wanted_{column}"));
    filter.push(query, dimensions, before);
    query.push(format!(" order by {column}, id desc limit ")).push_bind(limit);
    query.push(") newest order by newest.id desc limit ").push_bind(limit);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_is_read_from_an_index_that_has_its_columns() {
        let names = ["b".to_owned(), "a".to_owned(), "b".to_owned()];
        let all = RunFilter::default();
        assert_eq!(all.dimensions(), []);
        let of_token = RunFilter { names: Some(&names), ..all.clone() };
        assert_eq!(of_token.dimensions(), [Dimension::Name(vec!["a", "b"])], "each once");
        let states = [RunState::Failed, RunState::Failed];
        let failed = RunFilter { states: Some(&states), ..of_token };
        let columns: Vec<_> = failed.dimensions().iter().map(Dimension::column).collect();
        assert_eq!(columns, ["name", "state", "kind"]);
        assert_eq!(failed.dimensions()[1], Dimension::State(vec![RunState::Failed]));
    }

    #[test]
    fn ids_of_a_time_begin_with_it() {
        let at = DateTime::from_timestamp_millis(1_764_460_800_123).expect("a time");
        let millisecond = chrono::TimeDelta::milliseconds(1);
        let made = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, 1_764_460_800, 123_000_000));
        assert!(first_id(at) <= made && made < first_id(at + millisecond));
        assert_eq!(first_id(DateTime::<Utc>::MIN_UTC), Uuid::nil(), "a time before 1970 leaves no run out");
    }

    #[test]
    fn a_filter_that_contradicts_itself_is_recognised() {
        let names = ["a".to_owned()];
        let other = RunFilter { name: Some("b"), names: Some(&names), ..RunFilter::default() };
        assert!(other.is_contradiction());
        let states = [RunState::Failed, RunState::Queued];
        let failed = RunFilter { states: Some(&states), outcome: Some(Outcome::Clean), ..RunFilter::default() };
        assert!(failed.is_contradiction(), "only runs that succeeded have an outcome");
        let nothing = RunFilter { kinds: Some(&[]), ..RunFilter::default() };
        assert!(nothing.is_contradiction());
        assert!(!RunFilter { name: Some("a"), names: Some(&names), ..RunFilter::default() }.is_contradiction());
    }
}
