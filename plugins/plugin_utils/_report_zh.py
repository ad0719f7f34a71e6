# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The Chinese texts of the report, by their English ones."""

from __future__ import annotations

import typing as t

ZH: t.Dict[str, str] = {
    "Polaris fleet report": "北极星集群报告",
    "Skip to the report": "跳到报告正文",
    "{n} node": "{n} 个节点",
    "{n} nodes": "{n} 个节点",
    "limited to": "仅限于",
    "all read in full": "全部完整读取",
    "read in full": "完整读取",
    "read in part": "部分读取",
    "{n} read in full": "{n} 个完整读取",
    "{n} read in part": "{n} 个部分读取",
    "{n} not read": "{n} 个未能读取",
    "before: unknown": "之前：未知",
    "before: {x}": "之前：{x}",
    "Nodes read in full": "完整读取的节点",
    "of {n}": "共 {n} 个",
    "Connections": "连接",
    "not counted": "未统计",
    "Memory in use": "使用中的内存",
    "Releasable": "可释放",
    "Deviating log levels": "不一致的日志级别",
    "Overdue heartbeats": "超时的心跳",
    "not read": "未能读取",
    "Sections": "章节",
    "Attention": "需要关注",
    "Changes": "变化",
    "Not read": "未能读取",
    "Memory": "内存",
    "Log levels": "日志级别",
    "Heartbeats": "心跳",
    "Leaders": "主节点",
    "Nodes and versions": "节点与版本",
    "Each node": "各节点详情",
    "Filter": "筛选",
    "Severity": "严重程度",
    "all": "全部",
    "critical": "严重",
    "warning": "警告",
    "note": "提示",
    "Unfold all": "全部展开",
    "Needs attention": "需要关注",
    "All {n} nodes": "全部 {n} 个节点",
    "{n} node:": "{n} 个节点：",
    "{n} nodes:": "{n} 个节点：",
    "{n} address:": "{n} 个地址：",
    "{n} addresses:": "{n} 个地址：",
    "{n} instance:": "{n} 个实例：",
    "{n} instances:": "{n} 个实例：",
    "Nothing.": "没有。",
    "Since {x}.": "自 {x} 以来。",
    "the earlier report": "之前的报告",
    "Nothing has changed.": "没有变化。",
    "New nodes:": "新增的节点：",
    "Nodes gone:": "消失的节点：",
    "New:": "新出现：",
    "Gone:": "已消失：",
    "Not checked again:": "本次未检查：",
    "Node": "节点",
    "State": "状态",
    "Version": "版本",
    "In use": "使用中",
    "Nodes whose figures are different now": "数据有变化的节点",
    "{n} more nodes": "另外 {n} 个节点",
    "Scope": "日志模块",
    "Before": "之前",
    "Now": "现在",
    "Log levels that changed": "有变化的日志级别",
    "{n} more log levels": "另外 {n} 个日志级别",
    "What, and why": "内容与原因",
    "everything": "全部",
    "server": "服务端",
    "The server gave no reason.": "服务端没有说明原因。",
    "What could not be read, and why": "未能读取的内容及原因",
    "{n} open connections on {x}.": "{x}上共有 {n} 个打开的连接。",
    "The average is {n}.": "平均每个节点 {n} 个。",
    "{n} node does not count or could not be read.": "{n} 个节点不统计连接或未能读取。",
    "{n} nodes do not count or could not be read.": "{n} 个节点不统计连接或未能读取。",
    "A dash means that the node does not count this protocol. IPv6 clients are never counted.": (
        "短横线表示节点不统计该协议。通过 IPv6 连接的客户端不在任何统计之内。"
    ),
    "Connections of {n} nodes, from {most} down to {least}; the average is {mean}": (
        "{n} 个节点的连接数，从 {most} 到 {least}；平均 {mean}"
    ),
    "Every node that counts, the most loaded first. The highest column is {most}; the line is the average, {mean}.": (
        "所有统计连接的节点，连接最多的在前。最高的柱为 {most}；横线为平均值 {mean}。"
    ),
    "Total": "合计",
    "Against average": "与平均值相比",
    "Open connections by node and protocol, the most loaded node first": "各节点各协议的连接数，连接最多的节点在前",
    "No node counts connections, or none could be read. A node counts a protocol when connLimit of its apiserver is set "
    "in polaris-server.yaml.": (
        "没有节点统计连接，或都未能读取。在 polaris-server.yaml 中为 apiserver 设置 connLimit 后，节点才统计该协议。"
    ),
    "{x} in use by objects on {y}; {z} could be returned to the system (the playbook memory_free does this).": (
        "{y}上的对象共使用 {x}；{z} 可归还系统（由剧本 memory_free 完成）。"
    ),
    "{n} node shows no figures or could not be read.": "{n} 个节点没有数据或未能读取。",
    "{n} nodes show no figures or could not be read.": "{n} 个节点没有数据或未能读取。",
    "in use": "使用中",
    "releasable": "可释放",
    "Memory of {n} nodes, in use and releasable; the largest heap has {x}": (
        "{n} 个节点的内存，使用中与可释放；最大的堆为 {x}"
    ),
    "Every node that shows figures, the one with the most releasable memory first. The highest column is {x}.": (
        "所有有数据的节点，可释放最多的在前。最高的柱为 {x}。"
    ),
    "Total mapped": "映射总量",
    "no figures": "没有数据",
    "Heap by node, the most releasable memory first": "各节点的堆，可释放最多的在前",
    "No node showed figures, or none could be read.": "没有节点提供数据，或都未能读取。",
    "The log levels of no node are known.": "没有节点提供日志级别。",
    "{n} log level deviates from what most nodes have.": "{n} 个日志级别与多数节点不一致。",
    "{n} log levels deviate from what most nodes have.": "{n} 个日志级别与多数节点不一致。",
    "Usual level": "通常级别",
    "Deviating": "不一致",
    "on {x} of {n}": "{n} 个中的 {x} 个",
    "Scopes with deviating levels, the most divided first": "级别不一致的日志模块，分歧最大的在前",
    "{n} more scopes": "另外 {n} 个日志模块",
    "No level deviates: all nodes that were read agree.": "没有不一致：所有已读取的节点级别相同。",
    "There is only one node, so nothing to compare.": "只有一个节点，无从比较。",
    "{n} scope without deviating levels": "{n} 个级别一致的日志模块",
    "{n} scopes without deviating levels": "{n} 个级别一致的日志模块",
    "Scopes with one level on all nodes that have them": "在所有节点上级别相同的日志模块",
    "Level": "级别",
    "Nodes": "节点数",
    "Instance": "实例",
    "Service": "服务",
    "Namespace": "命名空间",
    "Silent for": "静默时长",
    "Last heartbeat (UTC)": "最后一次心跳（UTC）",
    "Received by": "收到者",
    "no node": "没有节点",
    "Not asked for: the variable heartbeats is false.": "未查询：变量 heartbeats 为 false。",
    "No node answered.": "没有节点能够回答。",
    "{n} instance in": "{n} 个实例，位于",
    "{n} instances in": "{n} 个实例，位于",
    "service": "服务",
    "namespace": "命名空间",
    "{n} of them must send heartbeats. The newest heartbeat on any node counts.": (
        "其中 {n} 个需要上报心跳。以任一节点所知的最新心跳为准。"
    ),
    "{x} of {n} nodes were asked: another one may have received the heartbeats that are overdue here.": (
        "{n} 个节点中只询问了 {x} 个：这里显示超时的心跳，其他节点可能已收到。"
    ),
    "Overdue: silent for more than three times the ttl, the longest first": "超时：静默超过 ttl 的三倍，最久的在前",
    "{n} more instances": "另外 {n} 个实例",
    "None is overdue.": "没有超时。",
    "{n} instance without a heartbeat on any node": "{n} 个从未被任何节点收到心跳的实例",
    "{n} instances without a heartbeat on any node": "{n} 个从未被任何节点收到心跳的实例",
    "Instances without a heartbeat on any node": "从未被任何节点收到心跳的实例",
    "Jobs with an elected leader": "由节点选举主节点执行的任务",
    "Job": "任务",
    "Led by": "主节点",
    "every node for itself, without a shared store": "各节点自行其是，没有共享存储",
    "according to {x}": "据 {x}",
    "not valid on": "无效于",
    "the nodes disagree": "各节点说法不一",
    "valid": "有效",
    "No node listed any: servers up to v1.13 do not have this call.": "没有节点提供：v1.13 及更早的服务端不提供。",
    "Versions": "版本",
    "unknown": "未知",
    "{x} or newer": "{x} 或更新",
    "Address": "地址",
    "Counts": "统计的协议",
    "Profiles": "性能剖析",
    "nothing": "无",
    "open to everyone": "对所有人开放",
    "off": "关闭",
    "Nodes, those that could not be read first": "节点，未能读取的在前",
    "Everything that is known about each node.": "每个节点的全部已知信息。",
    "{x} in use, {y} releasable, {z} mapped": "使用中 {x}，可释放 {y}，映射 {z}",
    "Authentication": "鉴权",
    "Note": "说明",
    "Written by the playbook polarismesh.maintenance.fleet_report.": "由剧本 polarismesh.maintenance.fleet_report 生成。",
    "The same data as JSON:": "同样内容的数据文件：",
    "Most builds of servers from v1.13 to v1.18 do not know their own version. For these, the oldest version with the "
    "same features is shown.": ("v1.13 至 v1.18 的多数构建不知道自身版本；此时显示具备同样能力的最早版本。"),
    "Read in part": "部分读取",
    "Read in full": "完整读取",
    "(continued)": "（续）",
    "and {n} more": "及另外 {n} 个",
    "copied": "已复制",
    "copy": "复制",
    # --- the rules ---
    "The maintenance API does not ask for an account": "运维接口不要求账号",
    "Anyone who reaches the port can close connections, change log levels and clean instances. Set consoleOpen: true "
    "under auth in polaris-server.yaml and restart, or close the port to others.": (
        "任何能访问该端口的人都可以断开连接、修改日志级别、清理实例。请在 polaris-server.yaml 的 auth 下设置 consoleOpen: true 并重启，"
        "或者不对他人开放该端口。"
    ),
    "The maintenance API can be read without a valid token": "没有有效 token 也能读取运维接口",
    "Anyone who reaches the port can list clients, log levels and instances. Set consoleStrict: true (strict: true up to "
    "v1.17.1) under auth in polaris-server.yaml and restart. The command fails once it is fixed.": (
        "任何能访问该端口的人都可以列出客户端、日志级别和实例。请在 polaris-server.yaml 的 auth 下设置 consoleStrict: true"
        "（v1.17.1 及更早为 strict: true）并重启。修复之后，下面的命令会失败。"
    ),
    "The default account still has its published password": "默认账号仍使用公开的密码",
    "Anyone who reaches the port can log in as the main account. Change its password, then refresh its token. The "
    "command fails once it is fixed.": (
        "任何能访问该端口的人都可以用主账号登录。请修改密码，然后刷新其 token。修复之后，下面的命令会失败。"
    ),
    "The default account still has its published token": "默认账号仍使用公开的 token",
    "The token is in the public source of Polaris. Refresh the token of the main account; a new password alone does not "
    "change the token.": "该 token 在北极星的公开源码中。请刷新主账号的 token；仅修改密码不会改变 token。",
    "Profiles are open to everyone": "性能剖析对所有人开放",
    "/debug/pprof needs no account: it shows the command line and the source paths, and a CPU profile costs time. Set "
    "enablePprof: false under the api-http apiserver, or close the port to others.": (
        "/debug/pprof 不要求账号：它会暴露命令行和源码路径，CPU 剖析还会占用时间。请在 api-http apiserver 下设置 enablePprof: false，"
        "或者不对他人开放该端口。"
    ),
    "Anyone can switch profiles on": "任何人都可以打开性能剖析",
    "POST /maintain/v1/pprof/enable needs no account on these versions. Close the port to others.": (
        "在这些版本上，POST /maintain/v1/pprof/enable 不要求账号。请不要对他人开放该端口。"
    ),
    "Nodes could not be read": "有节点未能读取",
    "They are missing from every sum of this report. The reasons are listed under Not read.": (
        "本报告的所有合计都不包含它们。原因见「未能读取」。"
    ),
    "Nodes could be read only in part": "有节点只能部分读取",
    "What is missing is listed under Not read.": "缺少的内容见「未能读取」。",
    "Connection limits are off": "连接限制已关闭",
    "Nothing limits how many connections one client opens, and connections can be neither seen nor closed. Set connLimit "
    "in polaris-server.yaml. The shipped file misspells purgeCounterExpire: with that misspelling the server exits at "
    "startup.": (
        "单个客户端可打开的连接数没有上限，连接既看不到也无法关闭。请在 polaris-server.yaml 中设置 connLimit。"
        "自带的文件把 purgeCounterExpire 拼错了：保留该拼写时，服务端启动后会立即退出。"
    ),
    "The connections of SDK clients are not counted": "SDK 客户端的连接没有统计",
    "Other protocols are counted, grpc is not. Set connLimit under service-grpc in polaris-server.yaml.": (
        "其他协议有统计，grpc 没有。请在 polaris-server.yaml 的 service-grpc 下设置 connLimit。"
    ),
    "Nodes hold far more connections than the others": "有节点的连接数远多于其他节点",
    "They hold more than 10 % above the average. After a scale-out, clients stay where they are until their connection "
    "ends. The command shows what would be closed; without --check it closes the surplus.": (
        "它们的连接数比平均值高出 10 % 以上。扩容之后，客户端会留在原处，直到连接结束。"
        "下面的命令显示将断开哪些连接；去掉 --check 则断开多余的连接。"
    ),
    "The heap is far larger than on the other nodes": "有节点的堆远大于其他节点",
    "It takes more than twice the median of all nodes. The command saves profiles of the nodes whose heap is above 1G "
    "and then frees memory there; min_size changes that size.": (
        "它超过所有节点中位数的两倍。下面的命令保存堆大于 1G 的节点的 profile 文件，然后释放其内存；该大小由 min_size 设置。"
    ),
    "The nodes run different versions": "各节点的版本不同",
    "Found: {found}. Finish the upgrade.": "发现：{found}。请完成升级。",
    "Log levels deviate from those of the other nodes": "日志级别与其他节点不一致",
    "A debug window may still be open. Levels are lost at a restart; the command sets the usual levels now.": (
        "可能有调试窗口尚未关闭。重启会丢失级别；下面的命令立即恢复为通常级别。"
    ),
    "Log scopes are silent, errors included": "有日志模块完全静默，连错误也不记录",
    "At none: {found}.": "级别为 none：{found}。",
    "Log scopes are at debug on most nodes": "有日志模块在多数节点上为 debug",
    "At debug: {found}.": "级别为 debug：{found}。",
    "An elected job has no leader": "有选举任务没有主节点",
    "No valid leader for {found}. Look at the logs of those nodes; on a boltdb store only a restart brings the leader "
    "back.": "{found} 没有有效的主节点。请查看这些节点的日志；使用 boltdb 存储时，只有重启才能恢复。",
    "Instances have been silent for more than three times their ttl": "有实例静默超过其 ttl 的三倍",
    "They are listed under Heartbeats.": "它们列在「心跳」中。",
    "Nodes of the cluster are not in this inventory": "集群中有节点不在此 inventory 中",
    "They are registered as servers, and were not asked. Add them, or let the inventory plugin "
    "polarismesh.maintenance.polaris find them.": (
        "它们已注册为服务端节点，但没有被询问。请加入它们，或使用 inventory 插件 polarismesh.maintenance.polaris 自动发现。"
    ),
    "The cluster has nodes that could not be listed": "集群中有节点未能列出",
    "Each node lists a part of a large cluster, and too few did: {found} addresses are unknown. If such a node is not in "
    "this inventory, no warning says so. Run fleet_report again when more nodes answer.": (
        "大型集群的节点列表由各节点分别列出一部分，而列出的节点太少：还有 {found} 个地址未知。"
        "如果这些节点不在此 inventory 中，不会有警告。请在更多节点能够响应时重新生成报告。"
    ),
    "Nodes are registered as 127.0.0.1": "有节点注册为 127.0.0.1",
    "Others cannot find them by that address. Set self_address (from v1.17.2 on) or probe_address in "
    "polaris-server.yaml.": (
        "其他节点无法通过该地址找到它们。请在 polaris-server.yaml 中设置 self_address（v1.17.2 起）或 probe_address。"
    ),
}
