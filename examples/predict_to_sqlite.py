"""Predictions of many pictures into a database: a row a detection, in SQLite, by the standard library.

    python examples/predict_to_sqlite.py DETECTOR FILE.db PICTURE [PICTURE ...]

Pictures that are in it already are left out, so that it can be stopped and begun again.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing

import clipgap

AT_ONCE, LEAST = 8, 0.3
TABLES = """
CREATE TABLE IF NOT EXISTS pictures (file TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS detections (
    file TEXT REFERENCES pictures, class TEXT, score REAL, x1 REAL, y1 REAL, x2 REAL, y2 REAL
);
"""

folder, database, *files = sys.argv[1:]
detector = clipgap.Detector.from_pretrained(folder).for_inference()
with closing(sqlite3.connect(database)) as connection:
    connection.executescript(TABLES)
    done = {file for (file,) in connection.execute("SELECT file FROM pictures")}
    left = [file for file in files if file not in done]
    for first in range(0, len(left), AT_ONCE):
        batch = left[first : first + AT_ONCE]
        with connection:  # all of a batch, or nothing
            for file, found in zip(batch, detector.predict(list(batch), batch_size=AT_ONCE, score=LEAST), strict=True):
                rows = zip(found.data["class_name"], found.confidence, found.xyxy, strict=True)
                connection.execute("INSERT INTO pictures VALUES (?)", (file,))
                connection.executemany(
                    "INSERT INTO detections VALUES (?, ?, ?, ?, ?, ?, ?)",
                    [(file, str(name), float(score), *map(float, box)) for name, score, box in rows],
                )
    query = "SELECT class, COUNT(*) FROM detections GROUP BY class ORDER BY 2 DESC"
    for name, count in connection.execute(query):
        print(name, count)
