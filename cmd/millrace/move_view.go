package main

import (
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/millrace/millrace/connector/kafka"
	"github.com/millrace/millrace/internal/chain"
)

// print prints what is to be moved.
func (m *removal) print() {
	if len(m.rows) > 0 {
		for _, l := range m.ledgers {
			if l.moved() {
				printWrapped(m.out, fmt.Sprintf("chain %s below %s in %s: from cluster %s to cluster %s",
					l.Chain, chain.Root(l.Prefix, l.Chain), l.Name, l.tenure.Owner.Cluster, l.owner.Cluster))
			}
		}
		width := len("PARTITION")
		for _, r := range m.rows {
			width = max(width, len(r.log.Partition.String()))
		}
		var rows [][]string
		for _, r := range m.rows {
			rows = append(rows, []string{
				fmt.Sprintf("%-*s", width, r.log.Partition), short(r.old), offsetText(r.stood), shortTopic(r.log.TopicID), held(r.log), strconv.FormatInt(r.to, 10),
			})
		}
		printNumbers(m.out, []string{fmt.Sprintf("%-*s", width, "PARTITION"), "OLD TOPIC", "STOOD AT", "NEW TOPIC", "HOLDS", "BEGINS AT"}, rows)
	}
	for _, n := range m.notes {
		printWrapped(m.out, n)
	}
}

// short is the beginning of a cluster's id and of a topic's.
func short(id chain.ID) string {
	topic := shortTopic(id.TopicID)
	if id.Cluster == "" {
		return topic
	}
	return id.Cluster[:min(8, len(id.Cluster))] + "/" + topic
}

// shortTopic is the beginning of a topic's id, as the folders of links have it.
func shortTopic(id [16]byte) string {
	if id == ([16]byte{}) {
		return "-"
	}
	return hex.EncodeToString(id[:4])
}

func offsetText(at int64) string {
	if at < 0 {
		return "-"
	}
	return strconv.FormatInt(at, 10)
}

// held is the offsets that a partition holds.
func held(l *kafka.Log) string {
	if l.End <= l.Start {
		return "nothing"
	}
	return fmt.Sprintf("%d-%d", l.Start, l.End-1)
}
