//! The highest rate at which a program loses nothing: how to search for it.
//!
//! Short probes close in on it; long runs begin where these end. Owns the
//! arithmetic; `parts` makes the runs.

/// Rates this close together are one: a step of the search.
pub const STEP: f64 = 1.06;
/// The slowest probe.
const LEAST: f64 = 1000.0;
/// Most runs of a search.
const MOST: usize = 6;

/// A run at some rate.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// Frames sent in a second.
    pub rate: f64,
    /// Of those, kept.
    pub kept_rate: f64,
    /// Whether every frame was kept.
    pub is_whole: bool,
}

/// A search for the highest rate that loses nothing.
#[derive(Clone, Debug, Default)]
pub struct Search {
    first: u64,
    probes: Vec<Probe>,
}

impl Search {
    /// A search that begins at a rate, 0 for as fast as it goes. If that loses
    /// nothing, it is the result.
    pub fn from(first: u64) -> Self {
        Self {
            first,
            probes: Vec::new(),
        }
    }

    /// Takes what a probe has found.
    pub fn add(&mut self, probe: Probe) {
        self.probes.push(probe);
    }

    /// The next rate to probe in frames per second, 0 for as fast as it goes;
    /// nothing when the search is over.
    pub fn next(&self) -> Option<u64> {
        let Some(last) = self.probes.last() else {
            return Some(self.first);
        };
        if self.probes.len() >= MOST {
            return None;
        }
        let (floor, ceiling) = (self.floor(), self.ceiling()?);
        if floor > 0.0 && ceiling / floor <= STEP || self.is_stuck() {
            return None;
        }
        // What an overloaded program still keeps is near to what it can do, unless
        // that says nothing new.
        let guess = last.kept_rate * 0.98;
        let is_news = guess > floor * STEP && guess < ceiling / STEP;
        Some(match (last.is_whole, floor > 0.0) {
            (false, true) if is_news => guess,
            (false, false) => guess.clamp(LEAST, ceiling / STEP),
            _ => f64::sqrt(floor * ceiling),
        } as u64)
    }

    /// Whether the generator could not go faster than before, although it should.
    fn is_stuck(&self) -> bool {
        match self.probes.as_slice() {
            [.., before, last] if before.is_whole && last.is_whole => {
                last.rate < before.rate * STEP.sqrt()
            }
            _ => false,
        }
    }

    /// The highest rate that lost nothing; 0 if there was none.
    pub fn floor(&self) -> f64 {
        self.best().map_or(0.0, |best| self.probes[best].rate)
    }

    /// Which run that was, from 0.
    pub fn best(&self) -> Option<usize> {
        let ceiling = self.ceiling().unwrap_or(f64::INFINITY);
        let probes = self.probes.iter().enumerate();
        // One above a rate that failed was luck.
        probes
            .filter(|(_, probe)| probe.is_whole && probe.rate < ceiling)
            .max_by(|(_, a), (_, b)| a.rate.total_cmp(&b.rate))
            .map(|(index, _)| index)
    }

    /// Whether not even the generator's full rate was too much.
    pub fn is_unlimited(&self) -> bool {
        self.ceiling().is_none()
    }

    /// The lowest rate that lost something.
    fn ceiling(&self) -> Option<f64> {
        let failed = self.probes.iter().filter(|probe| !probe.is_whole);
        failed.map(|probe| probe.rate).min_by(f64::total_cmp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches for the limit of a program that keeps `over` of its limit when
    /// it is overloaded.
    fn search(limit: f64, full: f64, over: f64) -> Search {
        let mut search = Search::default();
        while let Some(rate) = search.next() {
            let rate = if rate == 0 { full } else { rate as f64 };
            let is_whole = rate <= limit;
            search.add(Probe {
                rate,
                kept_rate: if is_whole { rate } else { limit * over },
                is_whole,
            });
        }
        search
    }

    #[test]
    fn it_ends_near_the_limit_and_never_above() {
        for limit in [30_000.0, 123_456.0, 700_000.0, 1_200_000.0] {
            for over in [0.3, 0.6, 0.9, 1.0, 1.1] {
                let search = search(limit, 1_500_000.0, over);
                let found = search.floor();
                assert!(found <= limit, "{limit} {over}: {found}");
                assert!(found > limit / 1.35, "{limit} {over}: {found} {search:?}");
                assert!(search.probes.len() <= MOST);
            }
        }
    }

    #[test]
    fn one_probe_is_enough_where_the_generator_is_the_limit() {
        let search = search(2e6, 1.5e6, 1.0);
        assert!(search.is_unlimited());
        assert_eq!((search.probes.len(), search.floor()), (1, 1.5e6));
    }

    #[test]
    fn it_ends_where_the_generator_cannot_go_faster() {
        let mut search = Search::from(0);
        for (rate, is_whole) in [(1.5e6, false), (5.4e5, true), (5.3e5, true)] {
            assert!(search.next().is_some());
            let kept_rate = 1e6;
            search.add(Probe {
                rate,
                kept_rate,
                is_whole,
            });
        }
        assert_eq!((search.next(), search.best()), (None, Some(1)));
    }

    #[test]
    fn a_rate_that_was_luck_does_not_count() {
        let mut search = Search::default();
        for (rate, is_whole) in [(90.0, false), (50.0, true), (70.0, true), (60.0, false)] {
            let kept_rate = rate;
            search.add(Probe {
                rate,
                kept_rate,
                is_whole,
            });
        }
        assert_eq!(search.floor(), 50.0);
    }
}
