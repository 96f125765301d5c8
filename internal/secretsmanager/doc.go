// Package secretsmanager reads secrets of AWS Secrets Manager. What it has read it keeps in memory for 5 minutes, and
// asks for anew when a service has refused it.
package secretsmanager
