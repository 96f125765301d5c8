// Package chaintest has what tests of a chain.Store and of its callers need: Memory, a strict Store in memory whose calls
// can fail, lose their replies or be applied late, and Run, the conformance suite that every Store passes.
//
// A Store's test is a harness:
//
//	func TestStore(t *testing.T) {
//		chaintest.Run(t, chaintest.Harness{
//			Open: func(t testing.TB) chaintest.Place {
//				bucket := newBucket(t)
//				return chaintest.Place{
//					Open: func(t testing.TB) chain.Store { return openStore(t, bucket) },
//					Read: bucket.read,
//				}
//			},
//			MinPart: 5 << 20,
//		})
//	}
//
// Each check opens a place of its own, and several Stores on it: what one process began another finishes. The suite
// overwrites the bytes that a Store borrowed as soon as its call has returned. Run it with -race.
package chaintest
