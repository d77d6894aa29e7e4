//! Each ordered pair of dialects: what a client of the one and a provider of the other hear of each other.

#[cfg(test)]
mod pairs {
    mod golden;
    mod laws;

    mod refused;
    mod support;
}
