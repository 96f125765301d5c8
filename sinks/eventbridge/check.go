package eventbridge

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/awsjson"
)

// check looks the bus up, because PutEvents doesn't say that there is none: EventBridge takes events for it, and drops them.
func (s *Sink) check(ctx context.Context) error {
	_, err := s.regional.Call(ctx, opDescribe, []byte(`{"Name":"`+s.bus+`"}`), nil)
	if err == nil {
		return nil
	}
	hint := ""
	if awsjson.Refusal(err) != nil && connector.ClassOf(err) == systemic {
		hint = "; with check_bus: false it isn't looked up"
	}
	return fmt.Errorf("bus: look for it in %s: %w%s", s.regional.Region(), err, hint)
}
