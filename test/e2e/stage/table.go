package stage

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Row is what `kubectl get -o wide` shows of an object: its printer columns, by name.
func (n *Namespace) Row(ctx context.Context, api, resource, name string) (map[string]string, error) {
	raw, err := n.Kube.CoreV1().RESTClient().Get().
		AbsPath("/"+api, "namespaces", n.Name, resource, name).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("the columns of %s %s: %w", resource, name, err)
	}
	table := metav1.Table{}
	if err := json.Unmarshal(raw, &table); err != nil {
		return nil, fmt.Errorf("the columns of %s %s: %w", resource, name, err)
	}
	if len(table.Rows) != 1 {
		return nil, fmt.Errorf("%s %s has %d rows", resource, name, len(table.Rows))
	}
	row := map[string]string{}
	for i, column := range table.ColumnDefinitions {
		if cell := table.Rows[0].Cells[i]; cell != nil {
			row[column.Name] = fmt.Sprint(cell)
		} else {
			row[column.Name] = ""
		}
	}
	return row, nil
}
