{{/* The image of every container. */}}
{{- define "heraldlb.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* Labels that select the pods of one component; they never change. */}}
{{- define "heraldlb.selector" -}}
app.kubernetes.io/name: heraldlb
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Labels of every object. */}}
{{- define "heraldlb.labels" -}}
{{ include "heraldlb.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* What every container is denied. */}}
{{- define "heraldlb.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* HeraldLB's resources, by their plural names. */}}
{{- define "heraldlb.kinds" -}}
ipaddresspools l2advertisements bgpadvertisements bgppeers bfdprofiles communities
{{- end -}}
