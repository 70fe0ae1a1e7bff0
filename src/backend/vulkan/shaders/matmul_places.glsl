// What matmul.comp and matmul_matrix.comp know of the places: sizes, and where an element of A is.
PUSH {
  uint rows;     // m
  uint outputs;  // n
  uint depth;    // k
  uint has_bias;
  uint has_residual;
#if CONV
  uint h;  // the picture
  uint width;
  uint channels;
  uint result_h;
  uint result_w;
  uint stride_h;
  uint stride_w;
  int pad_top;
  int pad_left;
  uint dilation_h;
  uint dilation_w;
#endif
};

#if CONV
// What a row of A is in the picture.
struct Row {
  uint picture;  // its first row, counted over all pictures
  int y;         // of the window's first position
  int x;
};
INLINE Row row_of(uint m) {
  const uint pixel = m / result_w;
  Row row;
  row.x = m < rows ? int(m % result_w * stride_w) - pad_left : -0x40000000;
  row.y = int(pixel % result_h * stride_h) - pad_top;
  row.picture = pixel / result_h * h;
  return row;
}
// What a column of A is: a position of the window, and a channel.
struct Column {
  int y;
  int x;
  uint channel;
  bool exists;
};
INLINE Column column_of(uint k) {
  const uint position = k / channels;
  return Column(int(position / WINDOW_W * dilation_h), int(position % WINDOW_W * dilation_w),
                k % channels, k < depth);
}
// The element's index, or -1 for padding.
INLINE int index_of(Row row, Column column) {
  const int y = row.y + column.y, x = row.x + column.x;
  const bool inside = y >= 0 && x >= 0 && y < int(h) && x < int(width) && column.exists;
  return inside ? int(((row.picture + uint(y)) * width + uint(x)) * channels + column.channel) : -1;
}
#else
struct Row {
  uint m;
};
INLINE Row row_of(uint m) { return Row(m); }
struct Column {
  uint k;
};
INLINE Column column_of(uint k) { return Column(k); }
INLINE int index_of(Row row, Column column) {
  return row.m < rows && column.k < depth ? int(row.m * depth + column.k) : -1;
}
#endif
