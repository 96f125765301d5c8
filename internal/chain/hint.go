package chain

import "encoding/json"

// A Hint is what is kept with the group's offset. It spares listing a chain from its beginning, and tells a chain that was
// lost from one that never was. It may be too low, never too high: it is committed after its link is finished.
type Hint struct {
	Chain string `json:"chain"`
	Dir   string `json:"dir"`
	Seq   int64  `json:"seq"`
}

// Encode is the text to keep with the offset.
func (h Hint) Encode() string {
	text, _ := json.Marshal(h) // texts and a number: it can't fail
	return string(text)
}

// DecodeHint reads a text. Any other text is no hint.
func DecodeHint(text string) (Hint, bool) {
	var h Hint
	if json.Unmarshal([]byte(text), &h) != nil || h.Chain == "" || h.Seq < 0 {
		return Hint{}, false
	}
	return h, true
}
