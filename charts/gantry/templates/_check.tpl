{{/* What a schema cannot say of values: the manager would refuse to start with these. */}}
{{- define "gantry.check" -}}
{{- $zero := toDate "2006" "2000" -}}
{{- $lease := sub (mustDateModify .Values.leaderElection.leaseDuration $zero).UnixNano $zero.UnixNano -}}
{{- $renew := sub (mustDateModify .Values.leaderElection.renewDeadline $zero).UnixNano $zero.UnixNano -}}
{{- $retry := sub (mustDateModify .Values.leaderElection.retryPeriod $zero).UnixNano $zero.UnixNano -}}
{{- if lt $lease 1000000000 -}}
{{- fail (printf "leaderElection.leaseDuration is %s, and has to be at least 1s" .Values.leaderElection.leaseDuration) -}}
{{- else if le $retry 0 -}}
{{- fail (printf "leaderElection.retryPeriod is %s, and has to be longer than nothing" .Values.leaderElection.retryPeriod) -}}
{{- else if le (mul $renew 5) (mul $retry 6) -}}
{{- fail (printf "leaderElection.renewDeadline is %s, and has to be longer than 1.2 times leaderElection.retryPeriod, which is %s" .Values.leaderElection.renewDeadline .Values.leaderElection.retryPeriod) -}}
{{- else if le $lease $renew -}}
{{- fail (printf "leaderElection.leaseDuration is %s, and has to be longer than leaderElection.renewDeadline, which is %s" .Values.leaderElection.leaseDuration .Values.leaderElection.renewDeadline) -}}
{{- end -}}
{{- if eq (mustDateModify .Values.kubeAPI.timeout $zero).UnixNano $zero.UnixNano -}}
{{- fail (printf "kubeAPI.timeout is %s, and has to be longer than nothing" .Values.kubeAPI.timeout) -}}
{{- end -}}
{{- end -}}
