package table

import "sync"

// Compiled keeps what was compiled of the schemas in use, for all files of theirs to share. Schemas are told apart by their pointers. The zero value
// is ready; it is safe for concurrent use.
type Compiled[T any] struct {
	mu   sync.Mutex
	made map[*Schema]T
}

// mostCompiled bounds what is kept. Beyond it all is let go, and what is in use compiled again.
const mostCompiled = 64

// Of is what compile makes of a schema. An error isn't kept.
func (c *Compiled[T]) Of(s *Schema, compile func(*Schema) (T, error)) (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if made, ok := c.made[s]; ok {
		return made, nil
	}
	made, err := compile(s)
	if err != nil {
		return made, err
	}
	if c.made == nil || len(c.made) >= mostCompiled {
		c.made = make(map[*Schema]T)
	}
	c.made[s] = made
	return made, nil
}
