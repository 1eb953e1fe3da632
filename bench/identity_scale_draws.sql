-- What identity_scale.sql draws by: macros of hashes.
-- draw: a number from 0 to 1. rank_of: few ranks are common and many rare, as in telephone books (Zipf and Mandelbrot).
CREATE MACRO draw(what, salt) AS hash(hash(what::DOUBLE, salt::VARCHAR)) / 18446744073709551616.0;
CREATE MACRO rank_of(share, most) AS (20 * (pow(1 + most / 20.0, share) - 1))::INTEGER % most;
-- slip: the word with a letter lost, two swapped or another in its place, in six of a hundred.
CREATE MACRO slipped(word, place, how) AS CASE
    WHEN how < 0.4 THEN left(word, place - 1) || substr(word, place + 1)
    WHEN how < 0.7 THEN left(word, place - 1) || substr(word, place + 1, 1) || substr(word, place, 1) || substr(word, place + 2)
    ELSE left(word, place - 1) || chr(97 + (how * 1000)::INTEGER % 26) || substr(word, place + 1)
END;
CREATE MACRO slip(word, what, salt) AS CASE
    WHEN draw(what, salt) < 0.06
        THEN slipped(word, 2 + (draw(what, salt || ' place') * (length(word) - 2))::INTEGER, draw(what, salt || ' how'))
    ELSE word
END;
-- dialled: one of three ways to write a Swiss number.
CREATE MACRO dialled(number, how) AS CASE
    WHEN how < 0.4 THEN '+41' || number
    WHEN how < 0.7 THEN '0' || number
    ELSE '+41 ' || (number // 10000000) || ' ' || lpad((number % 10000000)::VARCHAR, 7, '0')
END;
