package protobuf_test

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/protobuf"
)

// position is a record as vehicles send it: 16 fields, 2 messages, 3 tags.
const position = `syntax="proto3"; import "google/protobuf/timestamp.proto";
message Position { string vehicle_id=1; google.protobuf.Timestamp at=2; Point point=3; float speed=4; float heading=5; int32 satellites=6; bool ignition=7; State state=8;
	repeated string tags=9; int64 odometer=10; double fuel=11; optional string driver=12; uint32 sequence=13; map<string,string> labels=14; repeated int32 codes=15; sint32 altitude=16; }
message Point { double lat=1; double lng=2; }
enum State { UNKNOWN=0; MOVING=1; PARKED=2; }`

const positionJSON = `{"vehicle_id":"BA-AZ-10-1234","at":"2026-11-21T10:00:00.123Z","point":{"lat":40.4093,"lng":49.8671},"speed":61.5,"heading":270,"satellites":11,"ignition":true,"state":"MOVING",` +
	`"tags":["taxi","night","north"],"odometer":182334120,"fuel":41.25,"driver":"Əli","sequence":90125,"labels":{"fleet":"baku"},"codes":[1,200,3],"altitude":-28}`

func positionBytes(t testing.TB, m *protobuf.Message) []byte {
	t.Helper()
	v, err := serde.NewTape().JSON([]byte(positionJSON), serde.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := m.Append(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A record takes no allocation on a tape that has held records before.
func TestAllocations(t *testing.T) {
	m := message(t, position, "Position", protobuf.Options{})
	data := positionBytes(t, m)
	if got, err := toJSON(m, data); err != nil || got != positionJSON {
		t.Errorf("got %s %v", got, err)
	}
	tape := serde.NewTape()
	decode := func() {
		tape.Reset()
		if _, err := m.Decode(tape, data); err != nil {
			t.Fatal(err)
		}
	}
	decode()
	most := 0.0 // on average: the pool of decoders may be emptied now and then
	if raced {
		most = 2
	}
	if n := testing.AllocsPerRun(1000, decode); n > most {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecode(b *testing.B) {
	m := message(b, position, "Position", protobuf.Options{})
	data := positionBytes(b, m)
	b.Run("millrace", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		tape := serde.NewTape()
		for i := 0; b.Loop(); i++ {
			if i%100 == 0 { // a batch
				tape.Reset()
			}
			if _, err := m.Decode(tape, data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("dynamicpb", func(b *testing.B) {
		var desc = descriptor(b, position)
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if err := proto.Unmarshal(data, dynamicpb.NewMessage(desc)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	m := message(b, position, "Position", protobuf.Options{})
	v, err := m.Decode(serde.NewTape(), positionBytes(b, m))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		if dst, err = m.Append(dst[:0], v); err != nil {
			b.Fatal(err)
		}
	}
}
