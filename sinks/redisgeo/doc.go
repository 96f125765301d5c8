// Package redisgeo is the sink that keeps the positions of members, such as cars, in Redis geo
// sets, on a single node or a cluster.
//
// The members of one Load go to each set in one GEOADD, or, where a record's age or a
// member's silence counts (write: newest, expire), in one script. What the script needs to
// know lies in two companion keys of the set, in the same slot. Requests aren't retried here.
package redisgeo
