// Package chain commits ranges of a partition's offsets exactly once, in a store that offers no more than an atomic
// "put if nothing has this key": a bucket, or a folder.
//
// What a range holds is staged first, invisibly, as uploads. Then a link is put: a small immutable object that names
// the range, its counts and its uploads, under a number that nobody else can take. At last the uploads are completed, by
// whoever comes first: the one who put the link, or the next who finds it. Links of one partition have the
// numbers 0, 1, 2, ... without holes, so the newest says where the partition stands, whatever Kafka's group offset says.
//
// The protocol is in two step machines, [Recovery] and [Extension]. They are plain data and make no call themselves: Calls says which
// calls of a [Store] are due, Answer takes what came of one. [Run] drives them against a real store; package
// simulate drives the same code through crashes, lost replies and rivals. docs/chain.md tells the protocol and why it is so.
package chain
