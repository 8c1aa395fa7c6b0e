//! What others rely on: migrations alike on both databases, documented settings.
