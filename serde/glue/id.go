package glue

import (
	"encoding/hex"
	"fmt"

	"github.com/millrace/millrace/serde"
)

// FormatID is the id of a schema version as AWS Glue's API has it: 4011a9bf-321a-4198-b03f-c24d46147ccb.
func FormatID(id [16]byte) string {
	h := hex.EncodeToString(id[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// ParseID is the id of a schema version, as AWS Glue's API has it: 4011a9bf-321a-4198-b03f-c24d46147ccb.
func ParseID(text string) ([16]byte, error) {
	id, ok := serde.ParseUUID([]byte(text))
	if !ok {
		return id, fmt.Errorf("%.60q isn't the id of a schema version, such as 4011a9bf-321a-4198-b03f-c24d46147ccb", text)
	}
	return id, nil
}
