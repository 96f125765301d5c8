"""What pyarrow, DuckDB and fastavro read in files that Millrace wrote.

  readers.py every pyarrow|duckdb|fastavro DIR N   compares N rows of behaviour's record "every" field by field
  readers.py count DIR [COLUMN]                    by DuckDB: rows, distinct, least and greatest seq, rows behind one of a seq that isn't
                                                   less in their file, and rows that aren't in a folder COLUMN=VALUE of their value
  readers.py shape DIR                             columns, row groups and sizes of each file, by pyarrow
  readers.py rows pyarrow|duckdb DIR               all rows of files of one table, as JSON, by seq

Prints one JSON object; exit code 1 where rows differ.
"""

import concurrent.futures
import datetime as dt
import decimal
import glob
import json
import multiprocessing
import operator
import os
import struct
import sys
import uuid

decimal.getcontext().prec = 60
UTC = dt.timezone.utc
EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)
MASK = (1 << 64) - 1


def files(folder, extension):
    found = sorted(glob.glob(os.path.join(folder, "**", "*" + extension), recursive=True))
    return [f for f in found if "_millrace" not in f and ".millrace" not in f]


def expected(seq):
    """The record "every" with a number, by the rules that the test writes it by: every_test.go."""
    h = (seq * 0x9E3779B97F4A7C15) & MASK
    signed = h - (1 << 64) if h >= 1 << 63 else h
    sign = -1 if seq % 2 else 1
    naive = dt.datetime(1970, 1, 1)
    row = {
        "seq": seq,
        "flag": seq % 3 == 0,
        "small": (h >> 33) - (1 << 30),
        "big": signed,
        "single": struct.unpack("f", struct.pack("f", seq / 8.0))[0],
        "double": seq / 7.0,
        "text": "größe %d \U0001f697" % seq,
        "raw": h.to_bytes(8, "big")[: seq % 9],
        "fixed": h.to_bytes(8, "big")[:4],
        "color": ("red", "green", "blue")[seq % 3],
        "price": decimal.Decimal(sign * (seq % 1_000_000)).scaleb(-2),
        "amount": decimal.Decimal(sign * ((h >> 5) % 10**17)).scaleb(-4),
        "huge": decimal.Decimal(sign * (h * 1_000_000_007 + seq)).scaleb(-10),
        "id": uuid.UUID(int=(h << 64) | seq),
        "day": dt.date(1970, 1, 1) + dt.timedelta(days=seq % 40_000 - 10_000),
        "clock_ms": (naive + dt.timedelta(milliseconds=h % 86_400_000)).time(),
        "clock_us": (naive + dt.timedelta(microseconds=h % 86_400_000_000)).time(),
        "at_ms": EPOCH + dt.timedelta(milliseconds=1_700_000_000_000 + seq * 37),
        "at_us": EPOCH + dt.timedelta(microseconds=1_700_000_000_000_000 + seq * 37),
        "local_ms": naive + dt.timedelta(milliseconds=1_600_000_000_000 + seq),
        "local_us": naive + dt.timedelta(microseconds=1_600_000_000_000_000 + seq),
        "maybe": None if seq % 4 == 0 else "m%d" % seq,
        "pos": {"lat": seq % 90 + 0.5, "lng": None if seq % 5 == 0 else float(seq % 180), "deep": {"z": "z%d" % (seq % 7)}},
        "numbers": [seq + i for i in range(seq % 4)],
        "words": [None if i % 2 else "w%d" % i for i in range(seq % 3)],
        "matrix": [[i, i + 1][: i + 1] for i in range(seq % 3)],
        "stops": [{"name": "s%d" % i, "at": None if i else EPOCH + dt.timedelta(milliseconds=seq)} for i in range(seq % 3)],
        "counts": {"k%d" % i: seq + i for i in range(seq % 3)},
        "places": {"p": {"lat": 1.5, "lng": None}} if seq % 2 else {},
    }
    return row


def plain(v):
    """A value of any reader in one form."""
    if isinstance(v, dict):
        return {k: plain(w) for k, w in v.items()}
    if isinstance(v, list):
        if v and all(isinstance(w, tuple) and len(w) == 2 for w in v):  # pyarrow's maps
            return {k: plain(w) for k, w in v}
        return [plain(w) for w in v]
    if isinstance(v, dt.datetime):
        return ("datetime", v.astimezone(UTC).replace(tzinfo=None) if v.tzinfo else v, v.tzinfo is not None)
    if isinstance(v, (bytearray, memoryview)):
        return bytes(v)
    return v


def same(want, got):
    if isinstance(want, dict) and not want:
        return not got  # pyarrow gives [] for an empty map
    if isinstance(want, dict):
        return isinstance(got, dict) and want.keys() == got.keys() and all(same(want[k], got[k]) for k in want)
    if isinstance(want, list):
        return isinstance(got, list) and len(want) == len(got) and all(map(same, want, got))
    return type(want) is type(got) and want == got


def by_pyarrow(name):
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(name).iter_batches(20_000):
        yield from batch.to_pylist()


def duck():
    import duckdb

    c = duckdb.connect()
    c.execute("SET enable_progress_bar=false")  # it is drawn on stdout
    c.execute("SET TimeZone='UTC'")
    return c


def by_duckdb(name):
    r = duck().execute("SELECT * FROM read_parquet(?)", [name])
    names = [d[0] for d in r.description]
    while chunk := r.fetchmany(20_000):
        for row in chunk:
            yield dict(zip(names, row))


def by_fastavro(name):
    import fastavro

    with open(name, "rb") as f:
        yield from fastavro.reader(f)


READERS = {"pyarrow": (".parquet", by_pyarrow), "duckdb": (".parquet", by_duckdb), "fastavro": (".avro", by_fastavro)}


def compare(reader, name, n):
    """How often a file has each seq, how many of its rows differ, and examples."""
    seen = bytearray(n)
    different, examples = 0, []
    order = list(expected(0))
    for got in READERS[reader][1](name):
        want = expected(got["seq"])
        bad = [k for k in want if not same(plain(want[k]), plain(got.get(k)))]
        if list(got) != order:
            bad.append("order of columns: " + ",".join(got))
        if bad:
            different += 1
            if len(examples) < 3:
                examples += [f"seq {got['seq']}: {k}: want {want.get(k)!r}, got {got.get(k)!r}" for k in bad[:3]]
        seen[got["seq"]] += 1
    return seen, different, examples


def every(reader, folder, n):
    n = int(n)
    seen = [0] * n
    different, examples = 0, []
    names = files(folder, READERS[reader][0])
    with concurrent.futures.ProcessPoolExecutor(mp_context=multiprocessing.get_context("fork")) as pool:
        for times, wrong, found in pool.map(compare, [reader] * len(names), names, [n] * len(names)):
            seen = list(map(operator.add, seen, times))
            different += wrong
            examples += found
    rows, lost = sum(seen), seen.count(0)
    repeated = rows + lost - n
    print(json.dumps({"reader": reader, "rows": rows, "columns": len(expected(0)), "different": different, "lost": lost, "repeated": repeated, "examples": examples[:9]}))
    sys.exit(1 if different or lost or repeated else 0)


def count(folder, column=None):
    names = files(folder, ".parquet")
    place = f"regexp_extract(filename, '/{column}=([^/]*)/', 1) IS DISTINCT FROM CAST({column} AS VARCHAR)" if column else "false"
    rows, distinct, least, most, disorder, misplaced = duck().execute(
        "SELECT count(*), count(DISTINCT seq), min(seq), max(seq), count(*) FILTER (WHERE seq <= before), count(*) FILTER (WHERE misplaced) "
        f"FROM (SELECT seq, lag(seq) OVER (PARTITION BY filename ORDER BY file_row_number) AS before, {place} AS misplaced "
        "FROM read_parquet(?, hive_partitioning=false, union_by_name=true, filename=true, file_row_number=true))", [names]
    ).fetchone()
    print(json.dumps({"files": len(names), "rows": rows, "distinct": distinct, "least": least, "most": most, "disorder": disorder, "misplaced": misplaced}))


def shape(folder):
    import pyarrow.parquet as pq

    out = []
    for name in files(folder, ".parquet"):
        f = pq.ParquetFile(name)
        m = f.metadata
        groups = [m.row_group(i) for i in range(m.num_row_groups)]
        out.append({
            "name": os.path.relpath(name, folder),
            "size": os.path.getsize(name),
            "rows": m.num_rows,
            "columns": [f.schema_arrow.field(i).name + " " + str(f.schema_arrow.field(i).type) for i in range(len(f.schema_arrow))],
            "row_groups": [sum(g.column(c).total_compressed_size for c in range(g.num_columns)) for g in groups],
            "codec": groups[0].column(0).compression if groups else "",
            "statistics": all(g.column(0).is_stats_set for g in groups),
        })
    print(json.dumps({"files": out}))


def rows(reader, folder):
    names = files(folder, ".parquet")
    if reader == "pyarrow":
        import pyarrow as pa
        import pyarrow.dataset as ds

        schema = pa.unify_schemas([ds.dataset(n, format="parquet", partitioning=None).schema for n in names], promote_options="permissive")
        table = ds.dataset(names, schema=schema, format="parquet", partitioning=None).to_table().sort_by("seq")
        columns, got = table.column_names, table.to_pylist()
    else:
        r = duck().execute("SELECT * FROM read_parquet(?, union_by_name=true, hive_partitioning=false) ORDER BY seq", [names])
        columns = [d[0] for d in r.description]
        got = [dict(zip(columns, row)) for row in r.fetchall()]
    print(json.dumps({"columns": columns, "rows": got}, default=str))


{"every": every, "count": count, "shape": shape, "rows": rows}[sys.argv[1]](*sys.argv[2:])
