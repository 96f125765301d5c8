// Package eventbridge is the sink that sends records to an Amazon EventBridge event bus, as the events of the open-source connector or as their plain values.
//
// Requests are cut by entries and bytes before they are sent, and of what a request held only the entries that failed are sent again.
package eventbridge
