# src/volume
