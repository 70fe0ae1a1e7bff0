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
Row row_of(uint m) {
  const uint pixel = m / result_w;
  Row row;
  row.x = m < rows ? int(m % result_w * stride_w) - pad_left : -0x40000000;
  row.y = int(pixel % result_h * stride_h) - pad_top;
  row.picture = pixel / result_h * h;
  return row;
}
// The element's index, or -1 for padding.
int index_of(Row row, uint k) {
  const uint position = k / channels, channel = k % channels;
  const int y = row.y + int(position / WINDOW_W * dilation_h);
  const int x = row.x + int(position % WINDOW_W * dilation_w);
  const bool inside = y >= 0 && x >= 0 && y < int(h) && x < int(width) && k < depth;
  return inside ? int(((row.picture + uint(y)) * width + uint(x)) * channels + channel) : -1;
}
#else
struct Row {
  uint m;
};
Row row_of(uint m) { return Row(m); }
int index_of(Row row, uint k) {
  return row.m < rows && k < depth ? int(row.m * depth + k) : -1;
}
#endif
