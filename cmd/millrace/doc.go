// Command millrace moves records from Kafka into sinks, as configuration files say.
//
//	millrace run FILE...       run the connectors of the files
//	millrace validate FILE...  check the files, without a network
//	millrace preview FILE      show what records would become
//	millrace demo              a show of it all, with Kafka and Redis inside
//	millrace sinks [NAME]      what can be written to, and its settings
//	millrace version
//
// Exit codes: 0 done, 1 failed, 2 wrong configuration or usage.
package main
