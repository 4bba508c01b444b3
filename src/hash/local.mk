# src/hash
