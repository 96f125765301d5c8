// Package dynamodb writes records as items of an Amazon DynamoDB table: whole items, updates of their attributes, sums, and deletions. Requests are
// written straight from values.
package dynamodb
