package catalog

import (
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/table"
)

// integers from the narrowest to the widest.
var integers = []string{"tinyint", "smallint", "int", "bigint"}

// widen is the narrowest type that holds the values of both. It never narrows have, and keeps its name where it is wide enough. What Athena reads files
// of the narrower type as is in its User Guide, "Change a column data type": wider integers, double for float, and decimals of more digits.
func widen(have, want table.HiveType) (table.HiveType, bool) {
	if have.Name == "integer" { // Hive's other name
		have.Name = "int"
	}
	switch {
	case slices.Contains(integers, have.Name) && slices.Contains(integers, want.Name):
		if slices.Index(integers, want.Name) > slices.Index(integers, have.Name) {
			have.Name = want.Name
		}
		return have, true
	case have.Name == "float" && want.Name == "double":
		return want, true
	case have.Name == "double" && want.Name == "float":
		return have, true
	case have.Name == "varchar" && want.Name == "string":
		return want, true
	case have.Name == "string" && want.Name == "varchar":
		return have, true
	case have.Name != want.Name:
		return have, false
	case have.Name == "decimal":
		return widenDecimal(have, want)
	case have.Name == "struct":
		return widenStruct(have, want)
	case len(have.Members) > 0 && len(have.Members) == len(want.Members):
		return widenElements(have, want)
	}
	return have, slices.Equal(have.Args, want.Args) && len(have.Members) == len(want.Members)
}

// widenDecimal keeps the digits on both sides of the point.
func widenDecimal(have, want table.HiveType) (table.HiveType, bool) {
	hp, hs := have.Decimal()
	wp, ws := want.Decimal()
	scale := max(hs, ws)
	precision := max(hp-hs, wp-ws) + scale
	if precision == hp && scale == hs {
		return have, true
	}
	have.Args = []int{precision, scale}
	return have, precision <= table.HiveDigits
}

// widenElements widens elements, and a map's keys and values.
func widenElements(have, want table.HiveType) (table.HiveType, bool) {
	have.Members = slices.Clone(have.Members)
	for i := range have.Members {
		m := &have.Members[i]
		var ok bool
		if m.Type, ok = widen(m.Type, want.Members[i].Type); !ok {
			return have, false
		}
	}
	return have, true
}

// widenStruct widens the members of the same name, and adds the others at the end.
func widenStruct(have, want table.HiveType) (table.HiveType, bool) {
	have.Members = slices.Clone(have.Members)
	for _, m := range want.Members {
		at := slices.IndexFunc(have.Members, func(h table.HiveMember) bool { return strings.EqualFold(h.Name, m.Name) })
		if at < 0 {
			have.Members = append(have.Members, m)
			continue
		}
		var ok bool
		if have.Members[at].Type, ok = widen(have.Members[at].Type, m.Type); !ok {
			return have, false
		}
	}
	return have, true
}
