// Package dynamodb is the sink that writes records as items of an Amazon DynamoDB table: whole items, updates of their attributes, sums, and deletions.
//
// Requests are written straight from values; guard.go has what write: newest keeps of an item.
package dynamodb
