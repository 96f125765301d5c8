// Package staging writes ranges of records into files of a chain: it is the [connector.Stager] of every
// sink that writes whole files. A sink brings a [chain.Store], the place where files lie, and its settings.
package staging
