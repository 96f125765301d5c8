package table

import "slices"

// MaxDecimal is how many digits a Decimal may have: 256 bits hold them.
const MaxDecimal = 76

// widen is the scalar type that holds the values of both, which may be null or not. It has no order: widen(a, widen(b, c)) is widen(widen(a, b), c).
// The wider types are those that Avro promotes to (specification, Schema Resolution), except where digits would be lost that needn't be: an
// int and a float make a double. A long can be read as a double as there, rounded beyond 53 bits. A text isn't bytes here: a column of
// bytes takes base64.
func widen(a, b Type) (Type, bool) {
	if a.Kind == b.Kind && a.Kind == Decimal {
		return widenDecimal(a, b)
	}
	if sameScalar(a, b) {
		return a, true
	}
	low, high := min(a.Kind, b.Kind), max(a.Kind, b.Kind)
	kind := high
	switch {
	case low == Int32 && high == Int64:
	case (low == Int32 || low == Int64) && (high == Float32 || high == Float64):
		kind = Float64
	case low == Float32 && high == Float64:
	case low == TimeMillis && high == TimeMicros:
	case low == TimestampMillis && high == TimestampMicros && a.Local == b.Local:
	default:
		return a, false
	}
	return Type{Kind: kind, Local: a.Local}, true
}

func widenDecimal(a, b Type) (Type, bool) {
	whole := max(a.Precision-a.Scale, b.Precision-b.Scale)
	a.Scale = max(a.Scale, b.Scale)
	a.Precision = whole + a.Scale
	return a, a.Precision <= MaxDecimal
}

// sameScalar reports whether two types hold the same values, apart from null. It is false for types with others in them.
func sameScalar(a, b Type) bool {
	return a.Kind == b.Kind && a.Kind < Struct && a.Local == b.Local && a.Precision == b.Precision && a.Scale == b.Scale && a.Size == b.Size
}

// match finds the fields that both versions have: first those of the same name, then by the newer one's aliases, by the older one's, and by one that
// both have. partner has the index in older for each of newer, or -1; taken says which of older have a partner.
func match(newer, older []Field) (partner []int, taken []bool) {
	names, aliases := make(map[string]int, len(older)), map[string]int{}
	for j := range older {
		names[older[j].Name] = j
		for _, a := range older[j].Aliases {
			if _, ok := aliases[a]; !ok {
				aliases[a] = j
			}
		}
	}
	partner, taken = make([]int, len(newer)), make([]bool, len(older))
	own := make(map[string]bool, len(newer))
	for i := range newer {
		partner[i] = -1
		own[newer[i].Name] = true
	}
	pass := func(in map[string]int, called func(f *Field) []string) {
		for i := range newer {
			for _, name := range called(&newer[i]) {
				if j, ok := in[name]; ok && partner[i] < 0 && !taken[j] && (name == newer[i].Name || !own[name]) {
					partner[i], taken[j] = j, true
				}
			}
		}
	}
	name := func(f *Field) []string { return []string{f.Name} }
	other := func(f *Field) []string { return f.Aliases }
	pass(names, name)
	pass(names, other)
	pass(aliases, name)
	pass(aliases, other)
	return partner, taken
}

// allNames are the aliases of a column that is named as f and has the names of both of the others.
func allNames(f, newer, older Field) []string {
	var all []string
	for _, of := range []Field{newer, older} {
		for _, name := range append([]string{of.Name}, of.Aliases...) {
			if name != f.Name && !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all
}

// settleAliases takes from fields the aliases that are another one's name, or were an earlier one's alias. The aliases must not be shared.
func settleAliases(fields []Field) {
	claimed := make(map[string]bool, len(fields))
	for i := range fields {
		claimed[fields[i].Name] = true
	}
	for i := range fields {
		f := &fields[i]
		f.Aliases = slices.DeleteFunc(f.Aliases, func(a string) bool {
			if claimed[a] {
				return true
			}
			claimed[a] = true
			return false
		})
		if len(f.Aliases) == 0 {
			f.Aliases = nil
		}
	}
}
