// Sums over all invocations of a group, through shared memory: in the same order on every device,
// whatever its subgroups. THREADS is a power of two, at most 256.
SHARED(float, partial_sums, THREADS);

// Called by every invocation; each gets the sum.
INLINE float sum_of_all(float value) {
  BARRIER();  // the sums of an earlier call have been read
  partial_sums[INVOCATION] = value;
  BARRIER();
  for (uint step = THREADS / 2; step > 0; step /= 2) {
    if (INVOCATION < step) partial_sums[INVOCATION] += partial_sums[INVOCATION + step];
    BARRIER();
  }
  return partial_sums[0];
}
