package catalog

// recentKept is how many partitions are kept in memory at least, of some 200 bytes each; at most it is twice as many. One that was dropped costs calls, and
// nothing else.
const recentKept = 10_000

// recent holds the partitions that were asked for last, each with a value. The zero value is empty. Its owner locks it.
type recent struct {
	young, old map[string]*tableState
}

func (r *recent) get(key string) *tableState {
	if state, ok := r.young[key]; ok {
		return state
	}
	state, ok := r.old[key]
	if ok {
		r.put(key, state)
	}
	return state
}

func (r *recent) put(key string, state *tableState) {
	if r.young == nil || len(r.young) >= recentKept {
		r.old, r.young = r.young, make(map[string]*tableState)
	}
	r.young[key] = state
}
