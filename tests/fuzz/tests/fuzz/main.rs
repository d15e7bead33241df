//! The fuzz targets, run: on their corpus, and on mutations of it.

#[cfg(test)]
mod corpus;
