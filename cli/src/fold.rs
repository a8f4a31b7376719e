//! Workers that differ in their PIDs alone are told together.

use std::collections::HashMap;
use std::ffi::OsString;
use std::hash::Hash;
use std::path::Path;

use kill_port::{Process, printable};

/// So many runs of PIDs are named; a pool of two hundred would drown the rest.
const RUNS: usize = 6;

/// What alike processes have in common.
pub type Likeness<'a> = (&'a str, &'a [OsString], Option<&'a Path>, Option<u32>);

pub fn likeness(process: &Process) -> Likeness<'_> {
    (
        &process.name,
        &process.command,
        process.cwd.as_deref(),
        process.uid,
    )
}

/// Those with the same key together, in the order of the first of each. With `each`, everybody is alone.
pub fn groups<T, K: Eq + Hash>(
    items: impl IntoIterator<Item = T>,
    each: bool,
    key: impl Fn(&T) -> K,
) -> Vec<Vec<T>> {
    let mut groups: Vec<Vec<T>> = Vec::new();
    let mut places: HashMap<K, usize> = HashMap::new();
    for item in items {
        let place = *places.entry(key(&item)).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) if !each => group.push(item),
            _ => groups.push(vec![item]),
        }
    }
    groups
}

/// `gunicorn ×5 (PIDs 4347, 4350-4353)`, and one process as it always is.
pub fn name(processes: &[&Process]) -> String {
    let Some((first, others)) = processes.split_first() else {
        return String::new();
    };
    if others.is_empty() {
        return first.to_string();
    }
    let name = match first.name.as_str() {
        "" => "process".into(),
        name => printable(name),
    };
    let pids = pids(processes.iter().map(|process| process.pid));
    format!("{name} ×{} (PIDs {pids})", processes.len())
}

/// `4347, 4350-4353`
fn pids(pids: impl Iterator<Item = u32>) -> String {
    let mut sorted: Vec<u32> = pids.collect();
    sorted.sort_unstable();
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for pid in sorted {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(pid) => *last = pid,
            _ => runs.push((pid, pid)),
        }
    }
    let count = |runs: &[(u32, u32)]| {
        runs.iter()
            .map(|(first, last)| last - first + 1)
            .sum::<u32>()
    };
    let named = runs.len().min(RUNS);
    let (named, rest) = runs.split_at(named);
    let mut text: Vec<String> = named
        .iter()
        .map(|(first, last)| match last - first {
            0 => first.to_string(),
            1 => format!("{first}, {last}"),
            _ => format!("{first}-{last}"),
        })
        .collect();
    if !rest.is_empty() {
        text.push(format!("{} more", count(rest)));
    }
    text.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pids_in_a_row_are_a_range() {
        for (numbers, text) in [
            (&[7][..], "7"),
            (&[4350, 4347, 4351, 4353, 4352], "4347, 4350-4353"),
            (&[1, 2, 4], "1, 2, 4"),
            (&[1, 3, 5, 7, 9, 11, 13, 14], "1, 3, 5, 7, 9, 11, 2 more"),
            (&[u32::MAX, u32::MAX - 1], "4294967294, 4294967295"),
        ] {
            assert_eq!(pids(numbers.iter().copied()), text);
        }
    }

    #[test]
    fn those_that_are_alike_are_one_group_where_the_first_of_them_stood() {
        let numbers = [1, 2, 3, 4, 5];
        let odd = |number: &i32| number % 2;
        assert_eq!(groups(numbers, false, odd), [vec![1, 3, 5], vec![2, 4]]);
        assert_eq!(groups(numbers, true, odd).len(), 5);
    }
}
