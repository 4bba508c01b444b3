# src/meta
