// Package prometheus holds the checks of what is shipped for Prometheus and Grafana: that the alerts do what they say,
// and that the alerts and the dashboard ask for metrics that there are. It is a module of its own for the sake of
// Prometheus' own parser.
package prometheus
