-- Run once by the PostgreSQL container when its volume is new: the registry's database beside Dagster's.
CREATE DATABASE cx_registry;
