-- Functions that every SQL text may call; run this first to paste one into a DuckDB shell.
-- digest_of: what stands for a value wherever the value itself must not: 32 hexadecimal digits (128 bits of SHA-256).
-- uuid5: the UUIDv5 (RFC 9562) of a name, in a namespace that is given as 32 hexadecimal digits; a parameter, as one that
-- is read from a table is decoded for each row. The upper two bits of the digest's digit 17 become 10, the variant.
CREATE MACRO digest_of(kind, value) AS left(sha256(kind || chr(31) || value), 32);
CREATE MACRO as_uuid5(digest) AS concat(
    left(digest, 8), '-', substr(digest, 9, 4), '-5', substr(digest, 14, 3), '-',
    CASE
        WHEN substr(digest, 17, 1) IN ('0', '4', '8', 'c') THEN '8'
        WHEN substr(digest, 17, 1) IN ('1', '5', '9', 'd') THEN '9'
        WHEN substr(digest, 17, 1) IN ('2', '6', 'a', 'e') THEN 'a'
        ELSE 'b'
    END,
    substr(digest, 18, 3), '-', substr(digest, 21, 12)
);
CREATE MACRO uuid5(namespace, name) AS as_uuid5(sha1(from_hex(namespace) || encode(name)));
