"""Words that towns write in their tables, and the codes they stand for (layer: pure)."""

from accounts.choices import CooperationMode, Platform, StreamingPermit

TRUE_WORDS = frozenset({"是", "有", "可", "可以", "愿意", "yes", "y", "true", "1", "√"})
FALSE_WORDS = frozenset({"否", "无", "不", "不可", "不可以", "不愿意", "no", "n", "false", "0", "×"})

CHINESE_DIGITS = {word: number for number, word in enumerate("一二三四五六七八九十", start=1)} | {
    "首": 1, "地下": -1, "十一": 11, "十二": 12,
}  # fmt: skip

WHOLE_WEEK = frozenset({"", "每天", "每日", "全周", "周一至周日", "daily", "every day"})
WORK_DAYS = frozenset({"工作日", "平日", "weekdays", "workdays"})
DAY_WORDS = {
    "一": "mon", "二": "tue", "三": "wed", "四": "thu", "五": "fri", "六": "sat",
    "日": "sun", "天": "sun",
    "mon": "mon", "tue": "tue", "wed": "wed", "thu": "thu", "fri": "fri", "sat": "sat", "sun": "sun",
    "monday": "mon", "tuesday": "tue", "wednesday": "wed", "thursday": "thu", "friday": "fri",
    "saturday": "sat", "sunday": "sun",
}  # fmt: skip

PERMIT_WORDS = {
    **{code: code for code in StreamingPermit.values},
    **dict.fromkeys(
        ("可直播", "允许", "允许直播", "可", "可以", "是", "开放", "yes", "allowed"),
        StreamingPermit.PERMITTED.value,
    ),
    **dict.fromkeys(
        ("邀请", "仅邀请", "需邀请", "受邀", "仅限邀请", "邀请制", "by invitation"),
        StreamingPermit.BY_INVITATION.value,
    ),
    **dict.fromkeys(
        ("禁止", "禁播", "禁止直播", "不可", "不可直播", "否", "no"), StreamingPermit.BANNED.value
    ),
}
MODE_WORDS = {
    **{code: code for code in CooperationMode.values},
    "店播": CooperationMode.STORE_BROADCAST.value,
    "店铺自播": CooperationMode.STORE_BROADCAST.value,
    "store broadcast": CooperationMode.STORE_BROADCAST.value,
    "store": CooperationMode.STORE_BROADCAST.value,
    "达播": CooperationMode.CREATOR_BROADCAST.value,
    "达人播": CooperationMode.CREATOR_BROADCAST.value,
    "达人直播": CooperationMode.CREATOR_BROADCAST.value,
    "creator broadcast": CooperationMode.CREATOR_BROADCAST.value,
    "creator": CooperationMode.CREATOR_BROADCAST.value,
    "走播": CooperationMode.ROAMING_BROADCAST.value,
    "roaming broadcast": CooperationMode.ROAMING_BROADCAST.value,
    "roaming": CooperationMode.ROAMING_BROADCAST.value,
}
PLATFORM_WORDS = {
    **{code: code for code in Platform.values},
    "抖音": Platform.DOUYIN.value,
    "抖音直播": Platform.DOUYIN.value,
    "快手": Platform.KUAISHOU.value,
    "淘宝": Platform.TAOBAO.value,
    "淘宝直播": Platform.TAOBAO.value,
    "点淘": Platform.TAOBAO.value,
    "taobao live": Platform.TAOBAO.value,
    "小红书": Platform.XIAOHONGSHU.value,
    "red": Platform.XIAOHONGSHU.value,
    "微信": Platform.WECHAT.value,
    "视频号": Platform.WECHAT.value,
    "微信视频号": Platform.WECHAT.value,
    "wechat channels": Platform.WECHAT.value,
    "拼多多": Platform.PINDUODUO.value,
    "其他": Platform.OTHER.value,
    "其它": Platform.OTHER.value,
}
