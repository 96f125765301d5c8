package connectjson

import "sync"

// What a cache holds at most. Producers have a few schemas; more than these are somebody's mistake.
const (
	maxSchemas     = 1000
	maxSchemaBytes = 16 << 20 // of their texts
)

// A cache has compiled schemas by their text. When it is full it is emptied. It is safe for concurrent use.
type cache struct {
	mu    sync.RWMutex
	all   map[string]*compiled
	bytes int
}

func (c *cache) get(text []byte) *compiled {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.all[string(text)]
}

func (c *cache) put(s *compiled) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all[s.schema.Text] != nil {
		return
	}
	if c.all == nil || len(c.all) >= maxSchemas || c.bytes+len(s.schema.Text) > maxSchemaBytes {
		c.all, c.bytes = make(map[string]*compiled), 0
	}
	c.all[s.schema.Text] = s
	c.bytes += len(s.schema.Text)
}
