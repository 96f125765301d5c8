// Package sinktest holds the conformance suites that every sink passes: RunLoader for
// sinks that write batches, RunStager for sinks that write ranges of offsets as a whole.
//
// A suite counts attempts and deliveries, not only end states: a sink that writes twice into a
// destination that forgets duplicates passes a check of the end state and fails here. Each
// check opens a destination of its own, so that checks don't see each other's records. The
// suites overwrite the bytes that a sink borrowed as soon as its call has returned; a sink
// that kept them stores nonsense, which the check then reads back. Run them with -race.
//
// A sink's test is a harness:
//
//	func TestConformance(t *testing.T) {
//		sinktest.RunLoader(t, sinktest.LoaderHarness{
//			Open: func(t testing.TB) sinktest.Destination {
//				store := newStore(t)
//				return sinktest.Destination{
//					Loader:   Config{Addr: store.Addr()}.mustOpen(t),
//					Requests: store.Requests,
//					Read: func() (ds []sinktest.Delivery, err error) {
//						for _, line := range store.Lines() {
//							d, err := sinktest.Parse(line)
//							if err != nil {
//								return nil, err
//							}
//							ds = append(ds, d)
//						}
//						return ds, nil
//					},
//				}
//			},
//		})
//	}
//
// The more of a Destination's functions a harness has, the more is checked: counting requests, failing
// them, losing replies, stalling.
package sinktest
