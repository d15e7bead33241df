//! Lives of a whole ledger on a simulated disk: drawn from seeds, and one that is cut at every point.

#[cfg(test)]
mod chance;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod judge;
#[cfg(test)]
mod life;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod points;
#[cfg(test)]
mod repeats;
#[cfg(test)]
mod rot;
#[cfg(test)]
mod seeds;
#[cfg(test)]
mod world;
