#version 450
#extension GL_GOOGLE_include_directive : require
// Copies rows that are chosen by number: embedding (one table) and take_row (a table per row).
// Numbers are clamped to the table, so that a wrong one cannot read outside it.
#include "prelude.glsl"

SOURCE(0, MOVED, table);
SOURCE(1, int, rows);
RESULT(2, MOVED, dst);
PUSH {
  uint count;        // words of the result
  uint row_words;
  uint table_rows;
  uint table_words;  // from the table of one result row to the next one's; 0: the same table
};

KERNEL {
  const uint at = GRID_INDEX;
  if (at >= count) return;
  const uint i = at / row_words;
  const uint row = uint(clamp(rows[i], 0, int(table_rows) - 1));
  dst[at] = table[i * table_words + row * row_words + at % row_words];
}
